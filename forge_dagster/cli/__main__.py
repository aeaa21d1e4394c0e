"""`forge` and `python -m forge_dagster.cli`."""

import gc
import os
import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run the command line and exit.

    Loading modules makes objects that stay: to look through them for rubbish again and again is a tenth of the time that a
    check answered from the record takes. So the collector is told to look later, for the whole life of this process.
    """
    gc.set_threshold(50_000, 20, 20)
    if sys.argv[1:2] == ["check"]:
        # no plugin has a part in a check, and to look for one pydantic reads the metadata of every installed package
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from forge_dagster.cli.main import main

    try:
        main()
    finally:
        gc.freeze()  # the interpreter's last collection finds nothing to look through: the memory goes with the process


if __name__ == "__main__":
    run()
