"""Writes the git hooks: each hands the push to the server through a Unix socket, since only the server knows who pushes."""

import shlex
import sys
from pathlib import Path

HOOKS = ("pre-receive", "proc-receive", "post-receive")


def write_hooks(folder: Path) -> Path:
    """(Re)write the hook programs in `folder`, which repositories name in core.hooksPath. Returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("hook_program.py")
    for name in HOOKS:
        # -I -S: no site packages and nothing from the environment, so that a hook starts in a few milliseconds.
        line = shlex.join([sys.executable, "-I", "-S", str(script), name])
        hook = folder / name
        text = f"#!/bin/sh\nexec {line}\n"
        if not hook.exists() or hook.read_text("utf-8") != text:
            fresh = folder / f".{name}.new"
            fresh.write_text(text, "utf-8")
            fresh.chmod(0o755)
            fresh.replace(hook)
    return folder
