"""Takes the scripts out of single-file components (.vue, .svelte, .astro), for a scanner that reads scripts only.

Run as `component_scripts.py FOLDER FILE...` by any Python from 3.8 on, with the standard library alone. Of each FILE it writes
`FOLDER/FILE.ts`, in which every line and column is where it was (forge_dagster/domain/component_scripts.py). It prints, as a
line of JSON, each FILE of which a script is not in that.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

LARGEST = 5_000_000
"""Bytes of a file; a larger one is not read, and the scanner is given a file that it leaves out for its size."""
_EXTRACTOR = Path(__file__).parents[3] / "domain" / "component_scripts.py"
"""By its file: the package itself wants a newer Python, and packages that are not there."""


def _extractor() -> Any:
    spec = importlib.util.spec_from_file_location("component_scripts", _EXTRACTOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses looks for it there
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Write the files, and say which are not whole."""
    folder, *files = sys.argv[1:]
    scripts_of = _extractor().component_script
    for name in files:
        source, target = Path(name), Path(folder, f"{name}.ts")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.stat().st_size > LARGEST:
            with target.open("wb") as large:
                large.truncate(LARGEST + 1)
            continue
        with source.open(encoding="utf-8", errors="replace", newline="") as stream:
            text = stream.read()
        with target.open("w", encoding="utf-8", newline="") as stream:
            stream.write((found := scripts_of(text, astro=source.suffix == ".astro")).text)
        if found.unread:
            sys.stdout.write(f"{json.dumps(name)}\n")


if __name__ == "__main__":
    main()
