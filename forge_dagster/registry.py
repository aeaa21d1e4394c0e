"""Finds the adapters by looking into their folders: a name list is always derived from here, never typed twice.

An adapter is one module with an attribute ADAPTER, called as its module is: for tools and gates an instance, for platforms the
class. One is imported when it is asked for by name, since a check that is answered from the record needs hardly any.
"""

import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, cast

from forge_dagster.domain.graph import gate_spec
from forge_dagster.ports import Gate, Platform, Tool


def _modules(package_name: str) -> Iterator[str]:
    package = importlib.import_module(package_name)
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        module_name = f"{package_name}.{found.name}"
        if found.ispkg:
            yield from _modules(module_name)
        else:
            yield module_name


class _Adapters(Mapping[str, Any]):
    """Adapters of a package by name. Listing them imports them all, looking one up imports that one."""

    def __init__(self, package_name: str) -> None:
        self._package_name = package_name

    def __getitem__(self, name: str) -> Any:
        adapter = self._adapter(name)
        if adapter is None:
            raise KeyError(name)
        return adapter

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self._candidates if self._adapter(name) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @functools.cached_property
    def _candidates(self) -> dict[str, list[str]]:
        """Name -> modules of that name, one of which at most holds an adapter."""
        found: dict[str, list[str]] = {}
        for module in _modules(self._package_name):
            found.setdefault(module.rpartition(".")[2], []).append(module)
        return found

    def _adapter(self, name: str) -> Any | None:
        modules = self._candidates.get(name, ())
        found = [one for module in modules if (one := getattr(importlib.import_module(module), "ADAPTER", None)) is not None]
        if len(found) > 1 or any(adapter.name != name for adapter in found):
            said = ", ".join(repr(adapter.name) for adapter in found)
            raise ValueError(f"{' and '.join(modules)} should hold one adapter called {name!r}, and hold {said}")
        return found[0] if found else None


@functools.cache
def tools() -> Mapping[str, Tool]:
    """Every tool by name."""
    return cast(Mapping[str, Tool], _Adapters("forge_dagster.tools"))


@functools.cache
def tools_of(gate: str) -> Mapping[str, Tool]:
    """The tools by name among which those of `gate` are: they lie in the folder of its stage, and only that is imported."""
    return cast(Mapping[str, Tool], _Adapters(f"forge_dagster.tools.{gate_spec(gate).stage.value}"))


@functools.cache
def gates() -> Mapping[str, Gate]:
    """Every gate that examines a change, by name."""
    return cast(Mapping[str, Gate], _Adapters("forge_dagster.gates"))


@functools.cache
def platforms() -> Mapping[str, type[Platform]]:
    """Every platform's class by name."""
    return cast(Mapping[str, type[Platform]], _Adapters("forge_dagster.platforms"))
