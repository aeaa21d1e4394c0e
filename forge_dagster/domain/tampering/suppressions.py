"""Comments that silence a tool, and how many of them a version of a file has."""

import re
from collections.abc import Iterator

from forge_dagster.domain.tampering.signs import Sign, asks

_LONGEST = 2_000
"""Characters of a line that are looked at."""
_KINDS = (
    ("noqa", re.compile(r"#\s*(?:ruff:\s*|flake8[:=]\s*)?noqa\b(?::?\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?", re.IGNORECASE)),
    ("type: ignore", re.compile(r"#\s*type:\s*ignore(?:\[[\w, -]*\])?|#\s*mypy:\s*ignore-errors|#\s*(?:pyright|ty):\s*\w+.*")),
    ("ts-ignore", re.compile(r"@ts-(?:ignore|nocheck|expect-error)\b")),
    (
        "eslint-disable",
        re.compile(r"(?:eslint|oxlint|tslint)[-:]disable(?:-next-line|-line)?(?:\s+[@\w/, -]+?)?(?=\s*(?:\*/|--|$))"),
    ),
    ("biome-ignore", re.compile(r"biome-ignore(?:-\w+)?\s+[\w/.]+|prettier-ignore|deno-lint-ignore\S*")),
    ("nosec", re.compile(r"#\s*(?:nosec|nosemgrep|pragma: allowlist secret)\b.*|//\s*(?:nosemgrep|NOSONAR)\b")),
    (
        "no cover",
        re.compile(r"#\s*pragma:\s*no\s*(?:cover|branch|mutate)|(?:istanbul|c8|v8|node:coverage)\s+(?:ignore|disable)[\w ]*"),
    ),
    ("Stryker disable", re.compile(r"Stryker disable\b[\w ,-]*")),
    ("pylint: disable", re.compile(r"#\s*pylint:\s*disable\S*.*|#\s*fmt:\s*off|#\s*isort:\s*skip\w*")),
)
_SILENT = frozenset({"#fmt:off"})
"""Of these nothing is said: they keep a table of values in shape."""


def suppression_signs(text: str) -> Iterator[Sign]:
    """One sign per comment; its key is the comment without the code beside it, so that they are counted."""
    for number, line in enumerate(text.split("\n"), 1):
        shortened = line[:_LONGEST]
        if "#" not in shortened and "//" not in shortened and "*" not in shortened and "@ts" not in shortened:
            continue
        for kind, pattern in _KINDS:
            match = pattern.search(shortened)
            if match is None:
                continue
            told = "".join(match[0].split()).lower()
            if told not in _SILENT:
                message = f"the change silences a tool ({kind}): {match[0].strip()}"
                yield asks("suppression-added", message, key=told, line=number, fix="mend what the tool reports")
