"""Names that are handed to git: checked, so that it takes none for an option or for something else."""

import re

from forge_dagster.errors import UsageError

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^[-./]|[./]$|\.lock(?:/|$)|^@$")
"""What git-check-ref-format(1) forbids, and a leading dash."""


def is_sha(text: str) -> bool:
    """Whether `text` is a full object name (SHA-1 or SHA-256)."""
    return _SHA.fullmatch(text) is not None


def checked_sha(sha: str) -> str:
    """`sha`, or UsageError when it is not a full object name."""
    if not is_sha(sha):
        raise UsageError(f"{sha!r} is not a full commit id", hint="give 40 (or 64) hexadecimal digits")
    return sha


def checked_ref(name: str) -> str:
    """`name`, or UsageError when git would not accept it as a branch's name (or take it for an option)."""
    if not name or len(name) > 512 or _BAD_REF.search(name):
        raise UsageError(f"{name!r} is no valid branch name", hint="see git check-ref-format")
    return name


def checked_url(url: str) -> str:
    """`url`, or UsageError when git would take it for an option, or for a program to run."""
    if url.startswith("-") or "::" in url.split("/")[0] or any(ord(c) < 32 for c in url):
        raise UsageError(f"{url!r} is no git address", hint="use https://, http://, ssh:// or a path")
    return url
