"""The demonstration as people see it: played twice in one home, and nothing left running."""

import re
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.forge_command import ForgeCommand

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole"), pytest.mark.timeout(1800)]


def play(forge: ForgeCommand) -> str:
    done = subprocess.run(
        forge.argv("demo", "--exit", "--home", forge.home),
        env=forge.environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return done.stdout


def left_of(home: Path) -> list[str]:
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if str(home) in " ".join(process.info["cmdline"] or [])
    ]


def test_the_story_can_be_played_twice(tmp_path: Path) -> None:
    forge = ForgeCommand(tmp_path / "home")
    for story in (play(forge), play(forge)):
        for said in (
            r"src/shop/version\.py:\d+ type:",
            r"src/shop/version\.py:\d+ format:",
            r"src/shop/version\.py:\d+ secret:",
            r"is promoted: all customers have it",
            r"is rolled back by itself: error rate",
            r"\d+ requests, 0 lost",
            r"nothing is left running",
        ):
            assert re.search(said, story), f"{said} is not in:\n{story}"
        assert "sk_" + "live_" not in story
        assert left_of(forge.home) == []
