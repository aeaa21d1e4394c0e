"""Plugin of pytest, loaded by Forge: in each folder with tests, one more that must be collected, run and fail.

Where it does not fail, something has hold of the results. It runs in the process under judgement, so it is evidence and no
proof. The name of the tests is in $FORGE_CANARY, drawn for each run. Knows nothing of Forge and runs on pytest 5.4 and newer.
"""

import os
import posixpath
from typing import Iterator  # noqa: UP035 - runs on the Python of the repository

import pytest

_MOST = 40
"""Folders that get a test."""


def _fail() -> None:
    raise AssertionError("the canary: this test is here to fail")


class _Canary(pytest.Item):
    """Where there is no module of Python tests to put one in: doctests, or tests in other files."""

    def runtest(self) -> None:
        _fail()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: "pytest.Session", config: "pytest.Config", items: list[pytest.Item]
) -> Iterator[None]:
    """Add the tests when everybody else has chosen theirs, so that no filter leaves them out."""
    yield
    before = len(items)
    _add(items)
    snapshots = config.pluginmanager.get_plugin("syrupy")
    told = getattr(snapshots, "pytest_collection_modifyitems", None)
    if told is not None:  # it takes a test that it was not told of for a selection, and then finds nothing obsolete
        told(session, config, items[before:])


def _add(items: list[pytest.Item]) -> None:
    name = os.environ.get("FORGE_CANARY", "")
    if not name or not items:
        return
    modules: dict[str, pytest.Module] = {}
    for item in items:
        module = item.getparent(pytest.Module)
        if module is not None and type(module) is pytest.Module:
            modules.setdefault(posixpath.dirname(module.nodeid), module)
    if not modules:
        items.append(_Canary.from_parent(items[0].session, name=name))
    folders = sorted(modules)[:_MOST]
    items.extend(pytest.Function.from_parent(modules[folder], name=name, callobj=_fail) for folder in folders)
