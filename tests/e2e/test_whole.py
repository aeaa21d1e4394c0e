"""The whole product, with nothing faked: real git, real tools, real Dagster processes, a real proxy, a real browser."""

import shutil
from collections.abc import Iterator

import psutil
import pytest

from forge_dagster.cli.demo.load import Load
from forge_dagster.cli.login_link import login_link
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.rollout_state import Phase, Rollout
from forge_dagster.orchestration.workers import Worker
from forge_dagster.usecases.roll_out import rollout_key
from tests.support.canaries import credential, found_in
from tests.support.waiting import wait_until
from tests.support.whole import CANARY, Whole, left_over, whole_forge

pytestmark = [pytest.mark.xdist_group("whole"), pytest.mark.timeout(600)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FAULTY = {"src/shop/faulty.py": '"""Says a number."""\n\n\ndef number() -> int:\n    return "seven"\n'}


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    home = tmp_path_factory.mktemp("whole")
    with whole_forge(home) as whole:
        first = whole.open_shop()
        ended(whole, first)
        yield whole
    assert left_over(home) == []


@pytest.fixture(scope="module")
def rejected(forge: Whole) -> str:
    """The head of a change with a wrong return type."""
    head, _ = forge.propose(FAULTY, topic="faulty")
    return head


def ended(whole: Whole, head: str, *, timeout_s: float = 240) -> Rollout:
    """The rollout of a release, at its end."""
    attempt = whole.attempt(Job.RELEASE, head)
    found: list[Rollout] = []

    def look() -> bool:
        stored = whole.stage.services.ledger.rollout(rollout_key(attempt))
        if stored is not None and (rollout := Rollout.model_validate(stored)).ended:
            found.append(rollout)
        return bool(found)

    wait_until(look, timeout_s, every_s=0.2)
    return found[0]


def test_a_wrong_type_is_rejected_with_file_and_line(forge: Whole, rejected: str) -> None:
    verdict = forge.verdict(rejected)
    assert verdict.decision is Decision.REJECT
    results = forge.stage.services.ledger.results(verdict.attempt_id)
    assert [(f.file, f.line) for f in results["types"].findings] == [("src/shop/faulty.py", 5)]
    assert {results[name].outcome for name in ("format", "lint", "secrets")} == {Outcome.PASSED}
    assert "unit" not in results, "nothing runs behind a failed gate"


def test_agent_and_task_are_tags_of_the_run(forge: Whole, rejected: str) -> None:
    run = forge.run_id(forge.attempt(Job.CHANGE, rejected))
    query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"
    tags = {tag["key"]: tag["value"] for tag in forge.graphql(query, id=run)["runOrError"]["tags"]}
    assert (tags["forge/agent"], tags["forge/task"], tags["forge/sha"]) == ("forge/builder-01", "SHOP-1", rejected)


@pytest.mark.slow
def test_no_planted_secret_is_in_anything_that_is_kept_or_said(forge: Whole) -> None:
    """Of the operator's, in a title, a file's history, a test's output and its message: on disk, in Dagster, on the host."""
    leaked = credential("github", 40)
    test = f'def test_leak() -> None:\n    """Prints."""\n    print("{CANARY}")\n    assert "{CANARY}" == "", "{CANARY}"\n'
    forge.propose({"notes.py": f'"""Notes."""\n\nTOKEN = "{leaked}"\n'}, topic="canary")
    head, number = forge.propose({"tests/test_leak.py": test}, topic="canary", title=f"Use {CANARY}")
    attempt = forge.attempt(Job.CHANGE, head)
    assert forge.verdict(head).decision is Decision.REJECT
    run = forge.run_id(attempt)
    wait_until(lambda: forge.run_status(run) == "FAILURE", 60)
    stage, host = forge.stage, forge.stage.services.host_of(forge.stage.repository)
    assert host.pull_request(stage.repository, number).title == f"Use {CANARY}"
    home, clones = stage.home, stage.operator.clone.parent
    tokens = [path.read_text().strip() for path in sorted((home / "secrets").iterdir())]
    # where secrets are kept, and where the change's own files are: its repository, checkouts, and what mypy made of them
    meant = [*(home / name for name in ("secrets", "settings.toml", "host", "mirrors", "checkouts", "cache")), clones]
    secrets = [CANARY, leaked, stage.agent.token, *tokens]
    assert [str(path) for path, _ in found_in([home], secrets, without=meant)] == []
    told = [forge.said(path) for path in (f"commits/{head}/check-runs", f"issues/{number}/comments")]
    assert "test_leak" in "".join(told)
    assert [secret for secret in secrets if secret in "".join(told)] == []


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: sudo apt-get install chromium")
def test_the_dagster_ui_shows_the_run_red_and_where_the_fault_is(forge: Whole, rejected: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    forge.verdict(rejected)
    run = forge.run_id(forge.attempt(Job.CHANGE, rejected))
    wait_until(lambda: forge.run_status(run) == "FAILURE", 60)
    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        page = browser.new_page(viewport={"width": 1600, "height": 1200})
        page.set_default_timeout(60_000)
        page.goto(f"{forge.dagster}/runs/{run}")
        expect(page.get_by_label("Token of an operator")).to_be_visible(
            timeout=60_000
        )  # nobody is shown anything before the login
        page.goto(login_link(forge.stage.services.settings))
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name=forge.stage.repository).first.click()
        page.get_by_role("link", name="types").click()
        expect(page).to_have_url(f"{forge.dagster}/runs/{run}", timeout=60_000)
        expect(page.get_by_text("Failure", exact=True).first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("types failed: 1 finding, src/shop/faulty.py:5").first).to_be_visible(timeout=60_000)
        page.goto(f"{forge.dagster}/assets/types?view=events&partition={forge.stage.repository}%40{rejected[:12]}")
        expect(page.get_by_text("src/shop/faulty.py:5").first).to_be_visible(timeout=60_000)
        browser.close()


def test_a_newer_head_cancels_the_run_of_the_older_one(forge: Whole) -> None:
    slow = 'import time\n\n\ndef test_takes_its_time() -> None:\n    """Longer than the test waits."""\n    time.sleep(300)\n'
    old, number = forge.propose({"tests/test_slow.py": slow}, topic="superseded")
    run = forge.run_id(forge.attempt(Job.CHANGE, old))
    wait_until(lambda: pytest_tools(forge), 120)
    new, same = forge.propose({"src/shop/note.py": '"""A note."""\n'}, topic="superseded")
    assert same == number
    wait_until(lambda: forge.run_status(run) == "CANCELED", 180)
    wait_until(lambda: not pytest_tools(forge, of_run=run), 30)
    assert forge.verdict(new).attempt_id != forge.attempt(Job.CHANGE, old).id


def pytest_tools(forge: Whole, of_run: str = "") -> list[str]:
    """Command lines of the test runners that gates of this Forge run now (of one run, when given)."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        line = " ".join(process.info["cmdline"] or [])
        marked = of_run in " ".join((process.info["environ"] or {}).values()) if of_run else True
        if str(forge.stage.home) in line and "--junitxml" in line.replace("--junit-xml", "--junitxml") and marked:
            found.append(line)
    return found


def test_a_killed_worker_leaves_the_rollout_promoted_or_stable(forge: Whole) -> None:
    stage = forge.stage
    head, number = forge.propose({"README.md": "# The shop, again\n"}, topic="killed worker")
    assert forge.verdict(head).decision is Decision.REVIEW, "a new agent is at L0"
    stage.forge("approve", f"{stage.repository}#{number}")
    host = stage.services.host_of(stage.repository)
    wait_until(lambda: host.pull_request(stage.repository, number).merged, 60)
    merge = host.pull_request(stage.repository, number).merge_sha or ""
    attempt = forge.attempt(Job.RELEASE, merge)
    platform = stage.services.platforms["local"]
    with Load(f"{stage.url}/", rate=60):
        wait_until(lambda: {5, 95} <= set(platform.weights(stage.environment).values()), 120)
        first = forge.run_id(attempt)
        worker(forge, first).kill()
        rollout = ended(forge, merge)
    assert rollout.phase in (Phase.PROMOTED, Phase.STABLE)
    assert set(platform.weights(stage.environment).values()) == {100}
    assert forge.run_id(attempt) != first, "another run has taken over"
    wait_until(lambda: forge.run_status(first) == "FAILURE", 60)


def worker(forge: Whole, run: str) -> psutil.Process:
    """The process that executes a run."""
    query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"
    tags = {tag["key"]: tag["value"] for tag in forge.graphql(query, id=run)["runOrError"]["tags"]}
    found = Worker.of(tags)
    assert found is not None
    return psutil.Process(found.pid)
