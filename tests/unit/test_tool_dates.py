"""As of when the tools are chosen that nothing pins."""

import datetime

import pytest

from forge_dagster.workspace import tool_dates
from forge_dagster.workspace.tool_dates import limits

COMMIT = datetime.datetime(2026, 1, 9, 12, tzinfo=datetime.UTC)


def dates(options: tuple[str, ...]) -> dict[str, str]:
    assert options[::2] == ("--exclude-newer-package",) * (len(options) // 2)
    return dict(option.split("=", 1) for option in options[1::2])


def test_tools_of_taste_are_those_of_the_day_after_the_commit() -> None:
    found = dates(limits(COMMIT, ["flake8-bugbear>=22", "requests", "types-requests ; python_version > '3'"]))
    assert {"ruff", "mypy", "pytest", "flake8-bugbear", "types-requests"} <= found.keys()
    assert set(found.values()) == {"2026-01-10T12:00:00Z"}
    assert "requests" not in found, "what the product needs is today's"


def test_no_earlier_than_what_runs_on_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_dates, "_RELEASED", dict.fromkeys(range(100), (2022, 10, 24)))
    assert set(dates(limits(COMMIT.replace(year=2015), [])).values()) == {"2023-10-24T00:00:00Z"}


def test_without_a_commit_today_counts() -> None:
    assert limits(None, ["flake8-bugbear"]) == ()
