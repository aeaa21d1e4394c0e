"""What an attack case is, and where the suite finds them."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Attempt = Callable[[Path], bool]
"""Plays the attack in an empty folder; True: the attacker got what it wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack, played twice: `undefended` against the same thing without its defence, `defended` as Forge is.

    `name`: "tamper/03 assertion weakened", "sandbox/read the signing key"; unique. `published`: where it was seen. The first
    must succeed, else the case could not fail; the second must not. `slow`: only in `make test-all`.
    """

    name: str
    published: str
    undefended: Attempt
    defended: Attempt
    slow: bool = False


def all_attacks() -> tuple[Attack, ...]:
    """ATTACKS of every module `cases_*` in this folder; each must have a tuple of that name."""
    package = importlib.import_module("tests.attacks")
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.name.startswith("cases_"))
    modules = [importlib.import_module(f"tests.attacks.{name}") for name in names]
    return tuple(attack for module in modules for attack in module.ATTACKS)
