"""Every known attack, shown to succeed where its defence is missing and to be stopped where it is there.

`tests/conftest.py` prints at the end how many were tried and how many got through.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.attack import Attack, all_attacks

ATTACKS = all_attacks()


def _parameters() -> list[object]:
    return [pytest.param(a, id=a.name, marks=[pytest.mark.slow] if a.slow else []) for a in ATTACKS]


def test_names_are_unique() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("attack", _parameters())
def test_attack(attack: Attack, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    undefended, defended = tmp_path / "undefended", tmp_path / "defended"
    undefended.mkdir()
    defended.mkdir()
    assert attack.undefended(undefended), "the attack fails by itself, so this case shows nothing"
    got_through = attack.defended(defended)
    record_property("attack", "got through" if got_through else "stopped")
    assert not got_through
