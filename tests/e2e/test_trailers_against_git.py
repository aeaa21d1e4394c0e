"""Our reading of trailers is git's own reading."""

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.identity import trailers

_LINES = st.sampled_from(
    [
        "", "", "Agent-By: forge/builder-01", "agent-by:x", "Task-ID : 7", "Model: a", "  continued", "plain words here",
        "a: b c", "Signed-off-by: A <a@b>", "(cherry picked from commit abc)", "not a trailer: at all", ": nothing", "x:",
        "Fixes #12", "-: y", "Prompt-Hash: sha256:abc", "http://x", "two words: no", "\tTab: x",
    ]
)  # fmt: skip


def _git(message: str) -> dict[str, tuple[str, ...]]:
    argv = ["git", "interpret-trailers", "--parse", "--no-divider"]
    done = subprocess.run(argv, input=message.encode(), capture_output=True, check=True)
    values: dict[str, dict[str, None]] = {}
    for line in done.stdout.decode().splitlines():
        name, _, value = line.partition(":")
        if value.strip():
            values.setdefault(name.strip().lower(), {})[" ".join(value.split())] = None
    return {name: tuple(seen) for name, seen in values.items()}


@settings(max_examples=300)
@given(st.lists(_LINES, max_size=8), st.sampled_from(["", "\n", "\n\n"]))
def test_the_same_trailers_as_git(lines: list[str], end: str) -> None:
    message = "\n".join(["title", *lines]) + end
    assert trailers(message) == _git(message)
