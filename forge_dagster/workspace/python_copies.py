"""A second environment of the same content, for another checkout: links to the files of the first, and paths of its own.

Through a link, what may write to one could change the other. So the first is one in which no code runs (python_pristine.py), or
both are the user's own (trust domain "local").
"""

import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LARGEST_SCRIPT = 1024 * 1024
"""Bytes of a file in `bin` that may name the environment; beyond that it is a compiled program, which does not."""
_SHEBANG = 126
"""Bytes of a script's first line that Linux reads for sure (execve(2))."""
ON_PATH = "forge-project.pth"
"""What puts a project on the path that cannot be installed in place."""


def link_environment(source: Path, target: Path, *, without: Collection[str]) -> None:
    """Make `target` from `source` by hard links, and correct the scripts and settings that name it. Raises OSError.

    `without` are names of files and folders at the top of `source` that say what it is for.
    """

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name in without] if Path(folder) == source else []

    shutil.copytree(source, target, symlinks=True, ignore=left_out, copy_function=os.link)
    old, new = os.fsencode(source), os.fsencode(target)
    for path in _scripts(target):
        content = path.read_bytes()
        if old in content:
            replacement = path.with_name(f"{path.name}.forge")
            replacement.write_bytes(content.replace(old, new))
            shutil.copymode(path, replacement)
            replacement.replace(path)


def local_projects(environment: Path) -> frozenset[Path]:
    """The folders that packages of the environment are installed from (PEP 610, direct_url.json)."""
    found = set()
    for note in environment.glob("lib/python*/site-packages/*.dist-info/direct_url.json"):
        try:
            url = urlsplit(str(json.loads(note.read_bytes())["url"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if url.scheme == "file":
            found.add(Path(unquote(url.path)))
    return frozenset(found)


def on_path(environment: Path) -> bool:
    """Whether the project of the environment is only put on the path."""
    return any(environment.glob(f"lib/python*/site-packages/{ON_PATH}"))


def put_on_path(environment: Path, project: Path) -> None:
    """Make the project's own modules importable, as an installation in place would (docs.python.org, "site")."""
    folders = [folder for folder in (project, project / "src") if folder.is_dir()]
    for packages in environment.glob("lib/python*/site-packages"):
        note = packages / ON_PATH
        note.unlink(missing_ok=True)  # it may be a link to another environment's
        note.write_text("\n".join(map(str, folders)) + "\n", encoding="utf-8")


def _scripts(environment: Path) -> Iterator[Path]:
    for path in (environment / "pyvenv.cfg", *(environment / "bin").iterdir()):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST_SCRIPT:
            yield path


def name_interpreter(scripts: Path, old: Path, new: Path) -> None:
    """Make scripts that `old` would run be run by `new` (uv writes them for the interpreter that installs). Raises OSError.

    Each is replaced by a new file; what they are linked to stays as it is.
    """
    for path in sorted(scripts.iterdir()):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST_SCRIPT:
            content = path.read_bytes()
            changed = run_by(content, os.fsencode(old), os.fsencode(new))
            if changed != content:
                replacement = path.with_name(f"{path.name}.forge")
                replacement.write_bytes(changed)
                shutil.copymode(path, replacement)
                replacement.replace(path)


def run_by(script: bytes, old: bytes, new: bytes) -> bytes:
    """The script with `new` for the interpreter `old` in its head, in the two forms that uv writes."""
    first, _, rest = script.partition(b"\n")
    if first == b"#!/bin/sh" and rest.startswith(b"'''exec' "):
        second, _, rest = rest.partition(b"\n")
        third, _, rest = rest.partition(b"\n")
        ours = third == b"' '''" and second.removeprefix(b"'''exec' ").split(b' "$0"')[0].strip(b"'") == old
    else:
        ours = first == b"#!" + old
    if not ours:
        return script
    if len(new) + 2 <= _SHEBANG and b" " not in new:
        return b"#!" + new + b"\n" + rest
    return b"#!/bin/sh\n'''exec' '" + new + b"' \"$0\" \"$@\"\n' '''\n" + rest
