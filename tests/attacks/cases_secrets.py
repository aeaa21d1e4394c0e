"""Attacks on secrets: code under judgement that shows one, hides one, or has one shown by Forge itself."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from forge_dagster.domain.changes import Change
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.policy import Policy
from forge_dagster.domain.project import Project
from forge_dagster.domain.redaction import NOTHING_KNOWN, Redaction, redaction
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.gates.reports import read_reports
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.ports import Checkout, Command, GateContext
from forge_dagster.usecases.examine import examine_gate, gate_context
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.streams import Collected
from tests.attacks.attack import Attack
from tests.fakes.machine import IdleRun, NoEnvironments, StillClock
from tests.support.canaries import canary, credential
from tests.support.gate_bench import GateBench

SECRET = canary("attack")
KNOWN = redaction([SECRET])
_CHANGE = Change(repository="acme/shop", base_sha="b" * 40, head_sha="a" * 40)
_INCIDENT = "cicd-goat, exfiltration by a build step; Codecov, 2021"


def _dump(folder: Path, *, network: bool) -> Command:
    return Command(argv=(sys.executable, "-c", "import os; print(dict(os.environ))"), cwd=folder, network=network)


def _inherited(folder: Path) -> bool:
    command = _dump(folder, network=False)
    environment = {**os.environ, "DEPLOY_TOKEN": SECRET}
    done = subprocess.run(command.argv, cwd=folder, env=environment, check=True, capture_output=True)
    return SECRET.encode() in done.stdout


def _run_by_forge(folder: Path, *, network: bool) -> bool:
    """By nothing but the cleared environment: what is known is not blanked here."""
    before = os.environ.get("DEPLOY_TOKEN")
    os.environ["DEPLOY_TOKEN"] = SECRET
    try:
        done = ProcessRun(home=None, run_id="attack").run(_dump(folder, network=network))
    finally:
        os.environ.pop("DEPLOY_TOKEN")
        if before is not None:
            os.environ["DEPLOY_TOKEN"] = before
    assert b"PATH" in done.stdout
    return SECRET.encode() in done.stdout


def _in_history(folder: Path, *, commits: bool) -> bool:
    """A token that one commit adds and the next removes: whether the gate lets it through. Not `commits`: the tree alone."""
    run = ProcessRun(home=None, run_id="attack-history")
    bench = GateBench(folder.resolve(), run, LocalEnvironments(folder / "home", run))
    leaked = {"settings.py": f'TOKEN = "{credential("github")}"\n'}
    try:
        bench.plant({"README.md": "# A shop\n"}, leaked, policy='[gates.secrets]\ntools = ["kingfisher"]\n')
        (bench.root / "settings.py").write_text('TOKEN = ""\n')
        bench.commit_more()
        if commits:
            bench.look_since("HEAD~2")
        return bench.examine("secrets").outcome is Outcome.PASSED
    finally:
        run.stop()


def _streamed(known: Redaction) -> bool:
    """Whether a secret that comes in two writes, and one that goes over the longest line, can be read in the log."""
    said: list[str] = []
    out = Collected(1 << 20, said.append, known)
    for part in (SECRET[:9], SECRET[9:] + "\n", "x" * 8_180 + SECRET[:20], SECRET[20:] + "y" * 9_000, "\n"):
        out.add(part.encode())
    out.finish()
    return SECRET in "".join(said)


def _streamed_naively(_: Path) -> bool:
    parts = [SECRET[:9], SECRET[9:]]
    return SECRET in "".join(KNOWN.text(part) for part in parts)


def _encoded(blank: Callable[[str], str]) -> bool:
    """Whether ten characters of the secret can be had from what is left of its base64."""
    shown = blank(base64.b64encode(f"user:{SECRET}\n".encode()).decode())
    runs = [part[at:] for part in shown.split("[redacted]") for at in range(4)]
    decoded = [base64.b64decode(run[: len(run) // 4 * 4]).decode("utf-8", "replace") for run in runs]
    return any(SECRET[at : at + 10] in text for text in decoded for at in range(len(SECRET) - 10))


class _Telling:
    """A gate that has got hold of the secret, as an exception or a tool's message may."""

    name = "lint"

    def __init__(self, *, raises: bool) -> None:
        self._raises = raises

    def examine(self, _context: GateContext) -> GateResult:
        if self._raises:
            raise ValueError(f"401 for https://forge:{SECRET}@git.example")
        found = Finding(tool="ruff", rule="X1", message=f"the value is {SECRET}", category=Category.LINT, file="a.py", line=1)
        return gate_result("lint", Outcome.FAILED, findings=[found])


def _told(folder: Path, known: Redaction, *, raises: bool) -> bool:
    said: list[str] = []
    checkout = Checkout(root=folder, change=_CHANGE, project=Project(), policy=Policy(), tested_tree=None)
    context = gate_context(
        gate="lint",
        job=Job.CHANGE,
        checkout=checkout,
        scratch=folder / "scratch",
        run=IdleRun(),
        environments=NoEnvironments(),
        clock=StillClock(),
        log=known.lines(said.append),
        results={},
        redaction=known,
    )
    result = examine_gate(context, {"lint": _Telling(raises=raises)})
    assert result.outcome is (Outcome.ERRORED if raises else Outcome.FAILED)
    return SECRET in result.model_dump_json() + "".join(said)


def _reported(folder: Path, known: Redaction) -> bool:
    """In what is read of the report, or in the file, which is kept with the run."""
    (folder / "junit.xml").write_text(f"<testsuite><system-out>{SECRET}</system-out></testsuite>")
    read = read_reports(folder, known)
    return SECRET.encode() in read.files["junit.xml"] + (folder / "junit.xml").read_bytes()


def _fed_back(folder: Path, known: Redaction) -> bool:
    """The title of a pull request in a comment that waits to be sent, and in the audit log."""
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.db", redaction=lambda: known)
    body = {"number": 7, "marker": "<!-- forge -->", "body": f"Judging: Use {SECRET} for deployments"}
    ledger.post(key="comment", kind="comment", repository="acme/shop", body=body, at=0.0)
    ledger.record("verdict", {"title": SECRET, SECRET: 1}, 0.0)
    ledger.receive(
        delivery="1", host="h", name="push", action="", repository="acme/shop", payload={"title": [SECRET]}, at=0.0
    )  # fmt: skip
    sent = str(ledger.due_errands(1.0)[0].body["body"])
    ledger.close()
    stored = b"".join(path.read_bytes() for path in folder.iterdir())
    return SECRET in sent or SECRET.encode() in stored


ATTACKS = (
    Attack(
        name="secrets/a test prints the environment",
        published=_INCIDENT,
        undefended=_inherited,
        defended=lambda folder: _run_by_forge(folder, network=False),
    ),
    Attack(
        name="secrets/an install script dumps the environment",
        published="npm event-stream and ua-parser-js; cicd-goat, install scripts",
        undefended=_inherited,
        defended=lambda folder: _run_by_forge(folder, network=True),
    ),
    Attack(
        name="secrets/left in history",
        published="cicd-goat, secret left in history",
        undefended=lambda folder: _in_history(folder, commits=False),
        defended=lambda folder: _in_history(folder, commits=True),
    ),
    Attack(
        name="secrets/split over two writes",
        published="masking by line in CI logs, evaded by chunked output",
        undefended=_streamed_naively,
        defended=lambda _: _streamed(KNOWN),
    ),
    Attack(
        name="secrets/base64 in output",
        published="docs.github.com, secrets: masking does not know encoded values",
        undefended=lambda _: _encoded(lambda text: text.replace(SECRET, "***")),
        defended=lambda _: _encoded(KNOWN.text),
    ),
    Attack(
        name="secrets/in an exception's message",
        published="tokens in addresses of failed clones, many CI logs",
        undefended=lambda folder: SECRET in str(ValueError(f"401 for https://forge:{SECRET}@git.example")) and folder.is_dir(),
        defended=lambda folder: _told(folder, KNOWN, raises=True),
    ),
    Attack(
        name="secrets/in a report file",
        published=_INCIDENT,
        undefended=lambda folder: _reported(folder, NOTHING_KNOWN),
        defended=lambda folder: _reported(folder, KNOWN),
    ),
    Attack(
        name="secrets/in a finding's message",
        published="linters that quote the line they complain of",
        undefended=lambda folder: _told(folder, NOTHING_KNOWN, raises=False),
        defended=lambda folder: _told(folder, KNOWN, raises=False),
    ),
    Attack(
        name="secrets/in a title that is fed back",
        published="bots that repeat the title of a pull request",
        undefended=lambda folder: _fed_back(folder, NOTHING_KNOWN),
        defended=lambda folder: _fed_back(folder, KNOWN),
    ),
)
