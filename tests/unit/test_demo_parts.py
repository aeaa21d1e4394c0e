"""Parts of the demonstration that can be wrong without anybody noticing until it is played."""

import ast
import json
from pathlib import Path

import pytest

from forge_dagster.cli.demo.actors import Actor
from forge_dagster.cli.demo.changes import forgetful_memory, shop, version_route, version_route_with_faults
from forge_dagster.cli.demo.failing import DemoFailed
from forge_dagster.cli.demo.reading import report_in
from forge_dagster.cli.options import split_reference
from forge_dagster.domain.policy import parse_policy
from forge_dagster.errors import ConfigurationError, UsageError
from forge_dagster.ports import Command, ProcessResult
from tests.fakes.machine import IdleRun


class RecordingRun(IdleRun):
    """Remembers what it was asked to run; everything ends as told."""

    def __init__(self, stderr: str = "", exit_code: int = 0) -> None:
        super().__init__()
        self.commands: list[Command] = []
        self.result = ProcessResult(ended="exited", exit_code=exit_code, stderr=stderr.encode())

    def run(self, command: Command, *, log: object = None) -> ProcessResult:
        self.commands.append(command)
        return self.result


def actor(run: RecordingRun) -> Actor:
    return Actor(login="forge/builder-01", token="forge_agent_hush", clone=Path("/clone"), run=run)


def test_the_token_is_never_an_argument() -> None:
    run = RecordingRun("remote: pull request #12 opened: http://127.0.0.1:1/o/r/pull/12\n")
    assert actor(run).propose(topic="t", title="T; rm -rf /") == 12
    (command,) = run.commands
    assert "hush" not in " ".join(command.argv)
    assert "hush" not in " ".join(command.environment.values())
    assert command.argv[-1] == "title=T; rm -rf /"


def test_a_push_that_opens_nothing_is_a_failure_with_its_words() -> None:
    with pytest.raises(DemoFailed, match="everything up-to-date"):
        actor(RecordingRun("everything up-to-date")).propose(topic="t", title="T")
    with pytest.raises(DemoFailed, match="main is protected"):
        actor(RecordingRun("main is protected", exit_code=1)).git("push")


def test_the_example_has_a_short_rollout() -> None:
    files = shop()
    policy = parse_policy(files["forge.toml"])
    assert [(step.weight, step.bake) for step in policy.deploy.rollout.steps] == [(5, 10.0), (25, 10.0), (100, 0.0)]
    assert not [name for name in files if "cache" in name]


def test_the_faulty_change_differs_from_the_mended_one_in_one_file_and_holds_a_fresh_key() -> None:
    good, bad, again = version_route("1.7.0"), version_route_with_faults("1.7.0"), version_route_with_faults("1.7.0")
    assert [name for name in good if good[name] != bad[name]] == ["src/shop/version.py"]
    assert bad["src/shop/version.py"] != again["src/shop/version.py"]
    for files in (good, bad):
        for name, text in files.items():
            assert text is None or ast.parse(text, name)


def test_the_forgetful_change_can_follow_the_mended_one_and_be_mended_by_the_next_story() -> None:
    pages = version_route("1.7.0")["src/shop/pages.py"]
    assert pages is not None
    files = forgetful_memory(pages)
    text = files["src/shop/pages.py"]
    assert text is not None
    assert "MEMORY.keep(price(item" in text
    assert "version()" in text
    assert {name for name in files if files[name] is not None} <= set(version_route("1.8.0"))
    with pytest.raises(ConfigurationError):
        forgetful_memory(text)


def test_the_report_is_found_in_a_comment() -> None:
    report = {"schema": "forge.check/1", "head": "a" * 40, "gates": [{"x": "{"}]}
    text = f"Rejected {{oh}}: `{{`\n```json\n{json.dumps(report, indent=1)}\n```\nbye"
    assert report_in(text) == report
    assert report_in("nothing { here") is None


@pytest.mark.parametrize("text", ["shop#1", "a/b", "a/b#", "a/b#x", "a/b#0", "a/b/c#1", "a/b#-1", "a/b#1²"])
def test_what_names_no_pull_request_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no pull request"):
        split_reference(text)


def test_a_reference_is_repository_and_number() -> None:
    assert split_reference("acme/shop#12") == ("acme/shop", 12)
