"""What tests take from npm: installed by `npm ci` once per lock file into the user's cache, offline from then on."""

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

SOURCE = Path(__file__).parents[1] / "npm"


def cache_folder() -> Path:
    """Where tests keep what is dear to make."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forge-tests"
    root.mkdir(parents=True, exist_ok=True)
    return root


@functools.cache
def npm_packages() -> Path:
    """A folder with `node_modules` as `tests/npm/package-lock.json` pins them, and the scripts of `tests/npm`."""
    names = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"\0".join((SOURCE / name).read_bytes() for name in names)).hexdigest()[:16]
    folder = cache_folder() / f"npm-{digest}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in names:
                shutil.copy(SOURCE / name, folder / name)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"npm ci failed: {done.stderr[-1000:]}"
            (folder / "installed").touch()
    for script in SOURCE.glob("*.mjs"):
        shutil.copy(script, folder / script.name)
    return folder
