"""Finds the adapters by looking into their folders: a name list is always derived from here, never typed twice.

An adapter is one module with an attribute ADAPTER: for tools and gates an instance, for platforms the class.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, cast

from forge_dagster.ports import Gate, Platform, Tool


def _adapters(package_name: str) -> Iterator[Any]:
    package = importlib.import_module(package_name)
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        module_name = f"{package_name}.{found.name}"
        if found.ispkg:
            yield from _adapters(module_name)
            continue
        adapter = getattr(importlib.import_module(module_name), "ADAPTER", None)
        if adapter is not None:
            yield adapter


def _by_name(package_name: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for adapter in _adapters(package_name):
        if adapter.name in named:
            raise ValueError(f"two adapters in {package_name} are called {adapter.name!r}")
        named[adapter.name] = adapter
    return named


@functools.cache
def tools() -> Mapping[str, Tool]:
    """Every tool by name."""
    return cast(Mapping[str, Tool], _by_name("forge_dagster.tools"))


@functools.cache
def gates() -> Mapping[str, Gate]:
    """Every gate that examines a change, by name."""
    return cast(Mapping[str, Gate], _by_name("forge_dagster.gates"))


@functools.cache
def platforms() -> Mapping[str, type[Platform]]:
    """Every platform's class by name."""
    return cast(Mapping[str, type[Platform]], _by_name("forge_dagster.platforms"))
