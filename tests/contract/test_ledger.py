"""What every ledger promises (ports.Ledger), on a fresh SQLite file and on PostgreSQL where the machine has it."""

import itertools
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from forge_dagster.domain.audit import verify
from forge_dagster.domain.changes import Attempt, AttemptState, Identity
from forge_dagster.domain.decisions import Approval, Decision, Risk, RiskLevel, TrustLevel, Verdict
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import ConfigurationError, ForgeError, LedgerError, Superseded
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.ledger.inbox import MAX_TRIES
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.ports import Ledger
from tests.support.postgres import find_server, postgres

_COUNTER = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/ledger.db"
    if find_server() is None:
        pytest.skip("no PostgreSQL server on this machine")
    base = sqlalchemy.make_url(request.getfixturevalue("server")).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(base, isolation_level="AUTOCOMMIT")
    name = f"ledger{next(_COUNTER)}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return base.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    opened = SqlLedger(url)
    yield opened
    opened.close()


def _attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "repository": "o/r",
        "job": Job.CHANGE,
        "number": 1,
        "title": "t \x00 “quoted”",
        "base_ref": "main",
        "base_sha": "b" * 40,
        "head_sha": "a" * 40,
        "policy_digest": "p" * 64,
        "identity": Identity(pusher="forge/builder-01", pusher_is_agent=True, agent="forge/builder-01"),
        "created_at": 1.5,
    }
    return Attempt.model_validate({**values, **changes})


def _open(ledger: Ledger, **changes: Any) -> Attempt:
    made = ledger.open_attempt(_attempt(**changes))
    assert made is not None
    return made


def _receive(ledger: Ledger, delivery: str = "d1", **changes: Any) -> bool:
    values: dict[str, Any] = {
        "host": "h", "name": "push", "action": "", "repository": "o/r", "payload": {"k": ["\ud800", "\x00", 1.5]}, "at": 7.0,
    }  # fmt: skip
    return ledger.receive(delivery=delivery, **{**values, **changes})


# --- inbox


def test_an_event_is_stored_once_and_comes_back_whole(ledger: SqlLedger) -> None:
    assert _receive(ledger)
    assert not _receive(ledger)
    assert _receive(ledger, host="another")
    assert _receive(ledger, "d2")
    events = ledger.due_events()
    assert [event.delivery for event in events] == ["d1", "d1", "d2"]
    assert events[0].payload == {"k": ["\ud800", "\x00", 1.5]}
    assert (events[0].received_at, events[0].tries) == (7.0, 0)
    assert len(ledger.due_events(limit=2)) == 2


def test_a_finished_event_is_not_due_and_its_delivery_stays_known(ledger: SqlLedger) -> None:
    _receive(ledger)
    ledger.finish_event(ledger.due_events()[0].id)
    assert ledger.due_events() == ()
    assert not _receive(ledger)
    assert ledger.due_events() == ()


def test_a_failing_event_is_tried_five_times_then_only_on_redelivery(ledger: SqlLedger) -> None:
    _receive(ledger)
    for tries in range(MAX_TRIES):
        (event,) = ledger.due_events()
        assert event.tries == tries
        ledger.finish_event(event.id, error="boom")
    assert ledger.due_events() == ()
    assert _receive(ledger)
    assert ledger.due_events()[0].tries == 0


def test_a_postponed_event_waits_for_its_time_without_limit(ledger: SqlLedger) -> None:
    _receive(ledger)
    for tries in range(MAX_TRIES * 2):
        (event,) = ledger.due_events(at=100.0 + tries)
        ledger.finish_event(event.id, error="host is down", retry_at=101.0 + tries)
        assert ledger.due_events(at=100.5 + tries) == ()
    assert len(ledger.due_events()) == 1, "the system's clock is far beyond"
    ledger.finish_event(12345)  # unknown: nothing happens


# --- attempts


def test_an_attempt_comes_back_as_it_went_in(ledger: SqlLedger) -> None:
    made = _open(ledger, round=2)
    assert made == _attempt(id=made.id, round=2)
    assert ledger.attempt(made.id) == made
    release = _open(ledger, job=Job.RELEASE, number=None)
    assert ledger.attempt(release.id).number is None
    with pytest.raises(ForgeError, match="no attempt 999"):
        ledger.attempt(999)


@pytest.mark.parametrize(
    "other",
    [
        {"round": 1}, {"number": 2}, {"head_sha": "c" * 40}, {"policy_digest": "q" * 64}, {"repository": "o/s"},
        {"base_ref": "staging"}, {"job": Job.RELEASE, "number": None},
    ],
)  # fmt: skip
def test_one_attempt_for_a_head_and_policy(ledger: SqlLedger, other: dict[str, Any]) -> None:
    _open(ledger)
    assert ledger.open_attempt(_attempt(title="another title", base_sha="d" * 40)) is None
    _open(ledger, **other)
    assert ledger.open_attempt(_attempt(**other)) is None


def test_a_release_is_unique_although_it_has_no_number(ledger: SqlLedger) -> None:
    _open(ledger, job=Job.RELEASE, number=None)
    assert ledger.open_attempt(_attempt(job=Job.RELEASE, number=None)) is None


def test_attempts_are_searched_newest_first(ledger: SqlLedger) -> None:
    first, second = _open(ledger), _open(ledger, number=2)
    third = _open(ledger, repository="o/s", job=Job.RELEASE, number=None, head_sha="c" * 40)
    ledger.advance(second.id, AttemptState.SUPERSEDED)

    def ids(**query: Any) -> list[int]:
        return [attempt.id for attempt in ledger.attempts(**query)]

    assert ids() == [third.id, second.id, first.id]
    assert ids(limit=1) == [third.id]
    assert ids(repository="o/r") == [second.id, first.id]
    assert ids(job=Job.RELEASE) == [third.id]
    assert ids(number=1) == [first.id]
    assert ids(head_sha="a" * 40) == [second.id, first.id]
    assert ids(states=[AttemptState.SUPERSEDED, AttemptState.DECIDED]) == [second.id]


def test_one_run_claims_an_attempt(ledger: SqlLedger) -> None:
    made = _open(ledger)
    assert ledger.claim(made.id, "r1").state is AttemptState.RUNNING
    assert ledger.claim(made.id, "r1").run_id == "r1"
    with pytest.raises(Superseded, match="belongs to run r1"):
        ledger.claim(made.id, "r2")
    freed = ledger.release_claim(made.id)
    assert (freed.state, freed.run_id) == (AttemptState.PENDING, None)
    assert ledger.claim(made.id, "r2").run_id == "r2"
    ledger.advance(made.id, AttemptState.DECIDED)
    with pytest.raises(Superseded, match="is over: decided"):
        ledger.claim(made.id, "r2")
    assert ledger.release_claim(made.id).state is AttemptState.DECIDED


def test_an_attempt_never_goes_back(ledger: SqlLedger) -> None:
    made = _open(ledger)
    assert ledger.advance(made.id, AttemptState.REQUESTED).state is AttemptState.REQUESTED
    ledger.claim(made.id, "r1")
    assert ledger.advance(made.id, AttemptState.REQUESTED).state is AttemptState.RUNNING
    told = ledger.advance(made.id, AttemptState.RUNNING, tested_tree="t" * 40, base_sha="n" * 40)
    assert (told.tested_tree, told.base_sha, told.run_id) == ("t" * 40, "n" * 40, "r1")
    assert ledger.advance(made.id, AttemptState.SUPERSEDED) == told.model_copy(update={"state": AttemptState.SUPERSEDED})
    after = ledger.advance(made.id, AttemptState.DECIDED, tested_tree="x" * 40)
    assert (after.state, after.tested_tree) == (AttemptState.SUPERSEDED, "t" * 40)
    assert ledger.attempt(made.id) == after


# --- results, verdicts, approvals, trust


def test_results_verdicts_and_approvals_come_back(ledger: SqlLedger) -> None:
    finding = Finding(tool="ruff", rule="F401", message="unused", category=Category.LINT, file="a.py", line=3)
    lint = gate_result("lint", Outcome.FAILED, findings=[finding], metrics={"coverage": float("nan")})
    ledger.put_result(1, gate_result("lint", Outcome.ERRORED))
    ledger.put_result(1, lint)
    ledger.put_result(1, gate_result("types", Outcome.PASSED))
    ledger.put_result(2, gate_result("types", Outcome.FAILED))
    back = ledger.results(1)
    assert set(back) == {"lint", "types"}
    assert back["lint"].findings == lint.findings

    verdict = Verdict(
        attempt_id=1,
        outcome=Outcome.PASSED,
        decision=Decision.REVIEW,
        reasons=("new agent",),
        risk=Risk(level=RiskLevel.LOW, reasons=("a",), config_only=True),
        trust=TrustLevel.L1,
    )
    assert ledger.verdict(1) is None
    ledger.put_verdict(verdict, 1.0)
    merge = verdict.model_copy(update={"decision": Decision.MERGE, "approved_by": "ann"})
    ledger.put_verdict(merge, 2.0)
    assert ledger.verdict(1) == merge

    yes = Approval(repository="o/r", number=1, head_sha="a" * 40, by="Ann", approved=True, at=1.0)
    no = yes.model_copy(update={"approved": False, "by": "ann", "at": 2.0})
    other = yes.model_copy(update={"by": "bob", "at": 1.5})
    for approval in (yes, other, no, yes.model_copy(update={"head_sha": "c" * 40})):
        ledger.put_approval(approval)
    assert ledger.approvals("o/r", 1, "a" * 40) == (other, no)


def test_a_flaky_test_is_counted_once_per_attempt_and_keeps_its_first_sighting(ledger: SqlLedger) -> None:
    def note(attempt: int, at: float, head: str = "a" * 40, repository: str = "o/r", **tests: str) -> dict[str, int]:
        known = ledger.note_flaky(repository, tests, attempt_id=attempt, head_sha=head, at=at)
        return {name: test.count for name, test in known.items()}

    assert note(1, 10.0, f1="t.py::a", f2="t.py::b") == {"f1": 1, "f2": 1}
    assert note(1, 11.0, f1="t.py::a") == {"f1": 1}, "the same attempt told again"
    assert note(2, 20.0, head="c" * 40, f1="t.py::a") == {"f1": 2}
    assert note(3, 30.0, repository="o/s", f1="t.py::a") == {"f1": 1}
    assert note(4, 40.0) == {}
    latest, other = ledger.flaky_tests("o/r")
    assert (latest.test, latest.count, latest.first_at, latest.last_at, latest.last_head) == (
        "t.py::a",
        2,
        10.0,
        20.0,
        "c" * 40,
    )
    assert (other.fingerprint, other.count) == ("f2", 1)
    assert ledger.flaky_tests("o/r", limit=1) == (latest,)
    assert ledger.flaky_tests("o/none") == ()


# --- rollouts and leases


def test_rollouts_are_kept_and_found(ledger: SqlLedger) -> None:
    for key, ended in (("k1", True), ("k2", False), ("k2", False)):
        ledger.put_rollout(
            key=key, repository="o/r", environment="o/r/production", release="s", state={"key": key}, ended=ended, at=1.0
        )
    assert ledger.rollout("k1") == {"key": "k1"}
    assert ledger.rollout("k3") is None
    assert ledger.rollouts() == ({"key": "k2"}, {"key": "k1"})
    assert ledger.rollouts(open_only=True) == ({"key": "k2"},)
    assert ledger.rollouts(environment="o/r/staging") == ()
    assert ledger.rollouts(limit=1) == ({"key": "k2"},)


def test_a_lease_has_one_owner_until_it_runs_out(ledger: SqlLedger) -> None:
    assert ledger.lock("merge:o/r:main", owner="a", ttl_s=10, at=100)
    assert ledger.lock("merge:o/r:main", owner="a", ttl_s=10, at=105)
    assert not ledger.lock("merge:o/r:main", owner="b", ttl_s=10, at=114)
    assert ledger.lock("merge:o/r:staging", owner="b", ttl_s=10, at=114)
    assert ledger.lock("merge:o/r:main", owner="b", ttl_s=10, at=115)
    ledger.unlock("merge:o/r:main", owner="a")
    assert not ledger.lock("merge:o/r:main", owner="a", ttl_s=10, at=116)
    ledger.unlock("merge:o/r:main", owner="b")
    assert ledger.lock("merge:o/r:main", owner="a", ttl_s=10, at=116)


# --- outbox


def _post(ledger: Ledger, body: dict[str, Any], key: str = "k", at: float = 1.0) -> None:
    ledger.post(key=key, kind="comment", repository="o/r", body=body, at=at)


def test_an_errand_is_due_until_it_is_finished(ledger: SqlLedger) -> None:
    _post(ledger, {"n": 1}, at=5.0)
    _post(ledger, {"n": 1}, at=9.0)
    assert ledger.due_errands(4.0) == ()
    (errand,) = ledger.due_errands(5.0)
    assert (errand.kind, errand.body, errand.tries) == ("comment", {"n": 1}, 0)
    ledger.finish_errand(errand.id, error="503", retry_at=20.0)
    assert ledger.due_errands(19.0) == ()
    (again,) = ledger.due_errands(20.0)
    assert (again.id, again.tries) == (errand.id, 1)
    ledger.finish_errand(errand.id)
    assert ledger.due_errands(99.0) == ()
    _post(ledger, {"n": 1})
    assert ledger.due_errands(99.0) == (), "sent already"
    _post(ledger, {"n": 2})
    assert ledger.due_errands(99.0)[0].body == {"n": 2}


def test_a_new_body_is_not_lost_when_the_old_one_is_finished_late(ledger: SqlLedger) -> None:
    _post(ledger, {"n": 1})
    (old,) = ledger.due_errands(1.0)
    _post(ledger, {"n": 2})
    ledger.finish_errand(old.id)
    (new,) = ledger.due_errands(1.0)
    assert new.body == {"n": 2}
    assert new.id != old.id


def test_an_errand_given_up_is_due_again_when_posted_again(ledger: SqlLedger) -> None:
    _post(ledger, {"n": 1})
    ledger.finish_errand(ledger.due_errands(1.0)[0].id, error="404")
    assert ledger.due_errands(99.0) == ()
    _post(ledger, {"n": 1})
    assert ledger.due_errands(1.0)[0].tries == 0


# --- audit


def test_the_audit_log_is_a_chain_that_verifies(ledger: SqlLedger) -> None:
    entries = [ledger.record("verdict", {"n": n, "text": "\x00é\ud800", "f": 0.1}, at=n / 3) for n in range(7)]
    assert [entry.sequence for entry in entries] == list(range(1, 8))
    assert list(ledger.audit()) == entries
    assert list(ledger.audit(limit=2)) == entries[-2:]
    assert list(ledger.audit(limit=99)) == entries
    checked = verify(ledger.audit())
    assert (checked.entries, checked.head, checked.fault) == (7, entries[-1].digest, None)
    with pytest.raises(ValueError):
        ledger.record("verdict", {"n": float("nan")}, at=1.0)


# --- concurrency


def _in_process(url: str, job: str, number: int, barrier: Any, answers: Any) -> None:
    ledger = SqlLedger(url)
    barrier.wait(30)
    answers.put(_contend(ledger, job, number))


def _contend(ledger: Ledger, job: str, number: int) -> bool:
    if job == "open":
        return ledger.open_attempt(_attempt()) is not None
    if job == "receive":
        return _receive(ledger)
    if job == "lock":
        return ledger.lock("l", owner=str(number), ttl_s=60, at=1.0)
    try:
        ledger.claim(1, f"run-{number}")
    except Superseded:
        return False
    return True


@pytest.mark.parametrize("job", ["open", "receive", "lock", "claim"])
def test_of_many_processes_exactly_one_wins(url: str, job: str) -> None:
    """On an empty database too: they race for the creation of the tables as well."""
    if job == "claim":
        made = _open(SqlLedger(url))
        assert made.id == 1
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_in_process, args=(url, job, n, barrier, answers)) for n in range(4)]
    for process in processes:
        process.start()
    wins = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)
    assert sorted(wins) == [False, False, False, True]


@pytest.mark.parametrize("job", ["open", "receive", "lock", "claim"])
def test_of_many_threads_exactly_one_wins(ledger: SqlLedger, job: str) -> None:
    if job == "claim":
        _open(ledger)
    barrier = threading.Barrier(8)

    def contend(number: int) -> bool:
        barrier.wait(30)
        return _contend(ledger, job, number)

    with ThreadPoolExecutor(8) as threads:
        wins = list(threads.map(contend, range(8)))
    assert sum(wins) == 1


def test_the_chain_holds_when_many_threads_record(ledger: SqlLedger) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: ledger.record("k", {"n": n}, at=1.0), range(40)))
    assert verify(ledger.audit()).entries == 40
    assert verify(ledger.audit()).fault is None


def _after_fork(ledger: SqlLedger, answers: Any) -> None:
    answers.put(len(ledger.attempts()))


def test_a_forked_child_has_connections_of_its_own(ledger: SqlLedger) -> None:
    _open(ledger)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_after_fork, args=(ledger, answers))
    child.start()
    assert answers.get(timeout=30) == 1
    child.join(30)
    _open(ledger, number=2)
    assert len(ledger.attempts()) == 2


# --- what can go wrong with the database itself


def _execute(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize(("version", "hint"), [(999, "upgrade Forge"), (0, "backup")])
def test_another_schema_is_refused(url: str, version: int, hint: str) -> None:
    SqlLedger(url).attempts()
    _execute(url, f"UPDATE forge_schema SET version = {version}")
    with pytest.raises(LedgerError, match=f"schema version {version}") as caught:
        SqlLedger(url).attempts()
    assert hint in caught.value.hint


def test_a_ledger_of_the_first_schema_is_brought_up_to_date(url: str, tmp_path: Path) -> None:
    former = SqlLedger(url)
    first = former.record("note", {"n": 1}, 1.0)
    former.close()
    for statement in (
        "DROP TABLE attestations",
        "DROP INDEX ix_audit_kind",
        "ALTER TABLE audit DROP COLUMN seal",
        "UPDATE forge_schema SET version = 1",
    ):
        _execute(url, statement)
    ledger = SqlLedger(url, keyring=FolderKeyring(tmp_path / "keys"))
    ledger.record("note", {"n": 2}, 2.0)
    entries = list(ledger.audit())
    assert [entry.kind for entry in entries] == ["note", "key.created", "note"]
    assert entries[0] == first
    assert all(entry.seal for entry in entries[1:])
    assert [entry.body for entry in ledger.audit(kinds=("note",), limit=1)] == [{"n": 2}]
    assert ledger.entry(1) == first
    assert ledger.entry(9) is None
    ledger.close()


def test_opening_twice_keeps_what_is_there(url: str) -> None:
    _open(SqlLedger(url))
    assert len(SqlLedger(url).attempts()) == 1


def test_a_broken_transaction_leaves_nothing(ledger: SqlLedger) -> None:
    with pytest.raises(LedgerError):
        _receive(ledger, repository=None)
    assert ledger.due_events() == ()


def test_making_a_ledger_touches_nothing(tmp_path: Path) -> None:
    SqlLedger(f"sqlite:///{tmp_path}/home/ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_sqlite_is_durable_and_private(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqlLedger(f"sqlite:///{path}")
    _open(ledger)
    with ledger._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


def _full(ledger: SqlLedger, path: Path) -> None:
    ledger.attempts()
    pages = ledger._database._engine
    assert pages is not None

    @sqlalchemy.event.listens_for(pages, "begin")
    def limit(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    _receive(ledger, payload={"k": "x" * 1_000_000})


def _not_a_database(ledger: SqlLedger, path: Path) -> None:
    path.write_text("this is no database, it is a longer text " * 40)
    ledger.attempts()


def _folder_in_the_way(ledger: SqlLedger, path: Path) -> None:
    path.mkdir()
    ledger.attempts()


@pytest.mark.parametrize(
    ("breaks", "reason", "hint"),
    [
        (_full, "disk is full", "free space"),
        (_not_a_database, "not a database", "not a ledger"),
        (_folder_in_the_way, "unable to open", "writable"),
    ],
)
def test_trouble_with_the_file_is_explained(
    tmp_path: Path, breaks: Callable[[SqlLedger, Path], None], reason: str, hint: str
) -> None:
    path = tmp_path / "ledger.db"
    with pytest.raises(LedgerError, match=reason) as caught:
        breaks(SqlLedger(f"sqlite:///{path}"), path)
    assert hint in caught.value.hint
    assert str(path) in caught.value.message


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "mysql://localhost/x", "oracle+nothing://x"])
def test_an_address_that_cannot_hold_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqlLedger(url).attempts()
    assert "sqlite:////" in caught.value.hint


def test_the_password_is_not_in_the_message() -> None:
    with pytest.raises(LedgerError) as caught:
        SqlLedger("postgresql://forge:hunter2@127.0.0.1:1/x").attempts()
    assert "hunter2" not in str(caught.value)
