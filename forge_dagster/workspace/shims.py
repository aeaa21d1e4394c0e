"""Programs of version managers (pyenv, asdf, mise, volta) that only look like Python and node.

A shim is a small program that looks for the real one below the user's home. A sandbox shows no home, so there it finds nothing.
Where one comes first on PATH, the folder of the real program is put in front of it.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_ANSWER_S = 20.0


def with_real_programs(path: str, *, home: Path) -> str:
    """`path` (PATH) with what shims of Python and node lead to in front; as it is where none of them is a shim.

    `home`: the folder in which node's shim is asked, which decides by where it is called: in a repository its files would.
    """
    in_front: list[str] = []
    for name, real in _REAL.items():
        found = shutil.which(name, path=path)
        if found is not None and _is_shim(Path(found)):
            folder = real(found, home)
            in_front += [folder] if folder else []
    return os.pathsep.join([*in_front, path])


def _is_shim(program: Path) -> bool:
    """By the folders that these managers put on PATH (github.com/pyenv/pyenv, asdf-vm.com, mise.jdx.dev, docs.volta.sh)."""
    return program.parent.name == "shims" or program.parent.parts[-2:] == (".volta", "bin")


def _forges_python(_shim: str, _home: Path) -> str:
    """The Python that Forge itself runs on, which sandboxes show."""
    return str(Path(sys.base_prefix) / "bin")


@functools.cache
def _behind(shim: str, home: Path) -> str:
    """The folder of the node that the shim starts; "" where it starts none."""
    try:
        done = subprocess.run(  # noqa: S603
            [shim, "-p", "process.execPath"], cwd=home, capture_output=True, text=True, timeout=_ANSWER_S, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    program = Path(done.stdout.strip() or "/")
    return str(program.parent) if program.is_file() and not _is_shim(program) else ""


_REAL: dict[str, Callable[[str, Path], str]] = {"python3": _forges_python, "node": _behind}
