"""Plugin of pytest, loaded by Forge: writes the ids of the tests that are left to run, as JSON, to the file $FORGE_TESTS.

Knows nothing of Forge and runs on pytest 5.4 and newer.
"""

import json
import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Everybody has chosen by now."""
    with open(os.environ["FORGE_TESTS"], "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
        json.dump({"tests": [item.nodeid for item in session.items]}, file)
