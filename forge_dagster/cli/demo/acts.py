"""The acts of the story, one function each. Whatever they show was done by Forge itself, and is read back from it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from forge_dagster.cli.demo.changes import Files, forgetful_memory, shop, version_route, version_route_with_faults
from forge_dagster.cli.demo.failing import DemoFailed
from forge_dagster.cli.demo.reading import feedback_on
from forge_dagster.cli.demo.stage import AGENT, LOAD_RATE, Stage
from forge_dagster.cli.demo.watching import attempt_at, judged, link, merged, rolled_out, until
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Decision, Verdict
from forge_dagster.domain.graph import Job
from forge_dagster.domain.rollout_state import Phase, Rollout

SHOWN = 8
"""Findings shown of a rejection."""


def first_release(stage: Stage) -> None:
    """The operator's first push of the example goes live; skipped where an earlier story left it live."""
    stage.timeline.act("1  The shop goes live")
    if stage.services.platforms["local"].weights(stage.environment):
        stage.timeline.event(f"{stage.repository} is live from an earlier story at {stage.url}")
        return
    operator = stage.operator
    operator.clone.mkdir(parents=True)
    operator.git("init", "--quiet")
    operator.write(shop())
    head = operator.commit("Open the shop")
    operator.git("push", "--quiet", f"{stage.server}/{stage.repository}.git", "HEAD:refs/heads/main")
    stage.timeline.event(f"{operator.login} pushed the example application to {stage.repository} ({head[:12]})")
    attempt = attempt_at(stage.services, stage.repository, Job.RELEASE, head, stage.timeline)
    rollout = rolled_out(stage.services, attempt, stage.timeline)
    _expect(rollout, Phase.PROMOTED, stage, attempt)
    stage.timeline.event(f"release {head[:12]} is live at {stage.url}", style="good")


def rejection(stage: Stage) -> int:
    """An agent proposes a change with three faults and reads why it was rejected. The pull request's number."""
    stage.timeline.act("2  An agent makes mistakes")
    agent = stage.agent
    agent.fresh_clone(f"{stage.server}/{stage.repository}.git")
    head, number = _propose(stage, version_route_with_faults(stage.version), f"Tell the version {stage.version}")
    attempt, verdict = _judge(stage, head)
    if verdict.decision is not Decision.REJECT:
        raise DemoFailed(
            f"the faulty change was not rejected but {verdict.decision.value}", run_url=link(stage.services, attempt)
        )
    stage.timeline.event(f"#{number} is rejected", style="bad")
    stage.timeline.detail("what the agent reads in the comment on it:", style="dim")
    _show_findings(stage, number, head)
    return number


def acceptance(stage: Stage, number: int) -> None:
    """The agent mends its change; being new (L0) it needs a person; merged, it is canaried under load and promoted."""
    stage.timeline.act("3  The agent mends it, a person approves, it ships")
    head = _mend(stage, version_route(stage.version), f"Tell the version {stage.version}")
    stage.timeline.event(f"{AGENT} pushed the mended change to #{number} ({head[:12]}), without the key in its history")
    rollout, attempt = _ship(stage, number, head)
    _expect(rollout, Phase.PROMOTED, stage, attempt)
    stage.timeline.event(f"release {rollout.release.sha[:12]} is promoted: all customers have it", style="good")


def rollback(stage: Stage) -> int:
    """A change that passes every gate but fails under load is taken back by Forge itself. Its pull request's number."""
    stage.timeline.act("4  A fault that no test shows")
    agent = stage.agent
    agent.git("fetch", "--quiet", "origin")
    agent.git("reset", "--quiet", "--hard", "origin/main")
    pages = (agent.clone / "src/shop/pages.py").read_text()
    head, number = _propose(stage, forgetful_memory(pages), "Remember the prices asked for")
    rollout, attempt = _ship(stage, number, head)
    _expect(rollout, Phase.STABLE, stage, attempt)
    stage.timeline.event(f"release {rollout.release.sha[:12]} is rolled back by itself: {rollout.reason}", style="good")
    weights = stage.services.platforms["local"].weights(stage.environment)
    live = next((name for name, weight in weights.items() if weight == 100), "nothing")
    stage.timeline.event(f"all customers are back on {live[:16]}", style="good")
    return number


# --- what the acts have in common ------------------------------------------------------------------------------------


def _propose(stage: Stage, files: Files, title: str) -> tuple[str, int]:
    stage.agent.write(files)
    head = stage.agent.commit(title, trailers=_trailers(stage))
    number = stage.agent.propose(topic=_topic(stage, title), title=title)
    stage.timeline.event(f"{AGENT} opened #{number} by git push ({head[:12]}): {title}")
    stage.timeline.detail(stage.page(number), style="dim")
    return head, number


def _mend(stage: Stage, files: Files, title: str) -> str:
    stage.agent.write(files)
    head = stage.agent.commit(title, trailers=_trailers(stage), amend=True)
    stage.agent.propose(topic=_topic(stage, title), title=title)
    return head


def _topic(stage: Stage, title: str) -> str:
    return f"{stage.topic}-{title.split()[0].lower()}"


def _trailers(stage: Stage) -> dict[str, str]:
    prompt = hashlib.sha256(f"the prompt of task SHOP-{stage.topic}".encode()).hexdigest()
    return {"Agent-By": AGENT, "Task-ID": f"SHOP-{stage.topic}", "Model": "demo-1", "Prompt-Hash": f"sha256:{prompt}"}


def _judge(stage: Stage, head: str) -> tuple[Attempt, Verdict]:
    attempt = attempt_at(stage.services, stage.repository, Job.CHANGE, head, stage.timeline)
    verdict = judged(stage.services, attempt, stage.timeline)
    stage.timeline.detail(f"run: {link(stage.services, attempt)}", style="dim")
    return attempt, verdict


def _ship(stage: Stage, number: int, head: str) -> tuple[Rollout, Attempt]:
    """Gates, approval, merge, rollout under load."""
    attempt, verdict = _judge(stage, head)
    if verdict.decision is Decision.REJECT:
        _show_findings(stage, number, head)
        raise DemoFailed(f"#{number} was rejected: {'; '.join(verdict.reasons)}", run_url=link(stage.services, attempt))
    stage.timeline.event(f"#{number} passed every gate; {'; '.join(verdict.reasons)}")
    with _load(stage):
        stage.forge("approve", f"{stage.repository}#{number}", "--comment", "looks right")
        stage.timeline.event(f"{stage.operator.login} ran: forge approve {stage.repository}#{number}")
        merge = merged(stage.services, stage.repository, number, stage.timeline)
        stage.timeline.event(f"Forge merged #{number} as {merge[:12]}")
        release = attempt_at(stage.services, stage.repository, Job.RELEASE, merge, stage.timeline)
        return rolled_out(stage.services, release, stage.timeline), release


@contextmanager
def _load(stage: Stage) -> Iterator[None]:
    """Customers: a steady load for as long as the block runs; what became of their requests is told at the end."""
    from forge_dagster.cli.demo.load import Load

    load = Load(f"{stage.url}/api/price?item=anvil&quantity=3", rate=LOAD_RATE).start()
    try:
        yield
    finally:
        count = load.stop()
        failed = count.server_errors + count.client_errors
        share = 100 * failed / max(1, count.sent)
        stage.timeline.event(
            f"customers: {count.sent} requests, {count.lost} lost, {failed} answered with an error ({share:.2f}%)",
            style="bad" if count.lost else "",
        )


def _show_findings(stage: Stage, number: int, head: str) -> None:
    """What the comment's forge.check/1 object says, as the agent sees it."""

    def look() -> dict[str, object] | None:
        try:
            return feedback_on(f"{stage.server}/api/v3", stage.agent.token, stage.repository, number, head)
        except OSError:
            return None

    report = until(look, what="the comment on the pull request", limit_s=60, timeline=stage.timeline)
    gates = report.get("gates")
    shown = [finding for gate in gates for finding in gate["findings"]] if isinstance(gates, list) else []
    for finding in [finding for finding in shown if finding["severity"] == "error"][:SHOWN]:
        place = f"{finding['file']}:{finding['line']}" if finding["line"] else finding["file"] or ""
        stage.timeline.detail(
            f"{place}  {finding['category']}: {finding['message'].splitlines()[0]} [{finding['rule']}]", style="bad"
        )


def _expect(rollout: Rollout, phase: Phase, stage: Stage, attempt: Attempt) -> None:
    if rollout.phase is not phase:
        raise DemoFailed(
            f"release {rollout.release.name} ended {rollout.phase.value}, not {phase.value}: {rollout.reason}",
            run_url=link(stage.services, attempt),
        )
