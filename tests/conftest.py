"""For the whole suite: the attacks' closing line, and property tests that do not fail because the machine is busy."""

from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("forge", deadline=None)  # a timing belongs in benchmarks/
settings.load_profile("forge")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many attacks (tests/attacks) were tried and how many got through."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    played = [dict(r.user_properties).get("attack") for r in reports if isinstance(r, pytest.TestReport) and r.when == "call"]
    tried = [answer for answer in played if answer is not None]
    if tried:
        terminalreporter.write_line(f"attacks: {len(tried)} tried, {tried.count('got through')} got through")
