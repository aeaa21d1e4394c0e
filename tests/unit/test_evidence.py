"""What Forge signs, and that nothing about it can be changed unseen."""

import dataclasses
import json
import shutil
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as ReferenceStatement

from forge_dagster.domain.attestations import Kind, parse_statement
from forge_dagster.domain.audit import verify
from forge_dagster.domain.log_check import LogCheck
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.errors import ConfigurationError, EvidenceError, UsageError
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.usecases.audit import export_lines, verify_export
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.evidence import Proofs, keep_result
from tests.fakes.git_world import World
from tests.support.evidence import TREE, again, database, decided, exported, judged, verified


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """An exported log, and the world it is of."""

    world: World
    lines: tuple[str, ...]

    def check(self, lines: list[str], **more: Any) -> LogCheck:
        keyring = self.world.keyring
        return verify_export(lines, signatures=keyring, trusted=keyring.trusted(), **more)


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    home = Path(tempfile.mkdtemp(prefix="forge-evidence-"))
    world, attempt = decided(home)
    world.ledger.rotate_key(by="operator", at=5.0)
    again(world, attempt, Outcome.FAILED)
    yield Kept(world, tuple(export_lines(world.services)))
    world.ledger.close()
    shutil.rmtree(home)


def test_an_honest_log_is_whole(kept: Kept) -> None:
    found = kept.check(list(kept.lines))
    assert (found.fault, found.unsealed, len(found.keys)) == (None, 0, 2)
    assert found.attestations >= 20
    assert verified(kept.world).fault is None
    assert verified(kept.world, expected_head=found.head).head == found.head


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_bit_of_any_envelope_is_found(kept: Kept, data: st.DataObject) -> None:
    places = [n for n, line in enumerate(kept.lines) if line.startswith('{"attestation"')]
    number = data.draw(st.sampled_from(places))
    stored = json.loads(kept.lines[number])
    text = stored["attestation"]["envelope"].encode()
    at, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    flipped = (text[:at] + bytes([text[at] ^ (1 << bit)]) + text[at + 1 :]).decode()
    stored["attestation"]["envelope"] = flipped
    lines = [*kept.lines]
    lines[number] = json.dumps(stored)
    found = kept.check(lines)
    assert found.fault is not None
    assert stored["attestation"]["digest"][:12] in found.fault


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_bit_of_any_entry_is_found(kept: Kept, data: st.DataObject) -> None:
    places = [n for n, line in enumerate(kept.lines) if line.startswith('{"entry"')]
    number = data.draw(st.sampled_from(places))
    line = kept.lines[number].encode()
    at, bit = data.draw(st.integers(0, len(line) - 1)), data.draw(st.integers(0, 6))
    lines = [*kept.lines]
    lines[number] = (line[:at] + bytes([line[at] ^ (1 << bit)]) + line[at + 1 :]).decode("latin-1")
    try:
        fault = kept.check(lines).fault
    except UsageError as refused:
        fault = refused.message
    assert fault is not None


def test_a_signature_is_written_in_one_way(kept: Kept) -> None:
    """The last character before the padding has four bits that base64 throws away."""
    number = next(n for n, line in enumerate(kept.lines) if line.startswith('{"entry"') and "==" in line)
    line = kept.lines[number]
    at = line.rindex("==") - 1
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    for other in alphabet.replace(line[at], ""):
        lines = [*kept.lines]
        lines[number] = line[:at] + other + line[at + 1 :]
        assert kept.check(lines).fault is not None, f"{line[at]} for {other} is not seen"


def test_what_is_missing_is_named(kept: Kept) -> None:
    places = [n for n, line in enumerate(kept.lines) if line.startswith('{"attestation"')]
    without = [line for n, line in enumerate(kept.lines) if n != places[3]]
    assert "is missing" in (kept.check(without).fault or "")
    shorter = [line for n, line in enumerate(kept.lines) if n < len(kept.lines) - 2]
    assert "does not hold the expected head" in (kept.check(shorter).fault or "")
    header = json.loads(shorter[0]) | {"head": None}
    assert "does not hold" not in (kept.check([json.dumps(header), *shorter[1:]]).fault or "")
    noted = kept.check(list(kept.lines)).head
    assert "cut off" in (kept.check([json.dumps(header), *shorter[1:]], expected_head=noted).fault or "")


def test_a_log_cut_off_before_a_rotation_is_found_without_a_head(kept: Kept) -> None:
    rotated = next(n for n, line in enumerate(kept.lines) if '"key.rotated"' in line)
    header = json.dumps(json.loads(kept.lines[0]) | {"head": None})
    assert "end is cut off" in (kept.check([header, *kept.lines[1:rotated]]).fault or "")


def test_keys_that_nobody_gave_are_not_believed(kept: Kept, tmp_path: Path) -> None:
    other = FolderKeyring(tmp_path / "keys")
    key, _ = other.create()
    other.publish(key)
    found = verify_export(kept.lines, signatures=other, trusted=other.trusted())
    assert "is not trusted" in (found.fault or "")


def test_an_envelope_of_another_entry_or_repository_is_found(tmp_path: Path) -> None:
    world, attempt = judged(tmp_path)
    elsewhere = attempt.model_copy(update={"repository": "acme/other"})
    keep_result(world.services, elsewhere, gate_result("lint", Outcome.PASSED), tree=TREE)

    def lie(lines: list[str]) -> None:
        (number,) = [n for n, line in enumerate(lines) if "acme/other" in line and '"entry"' in line]
        lines[number] = lines[number].replace("acme/other", "acme/shop")

    assert exported(world).fault is None
    assert "was altered" in (exported(world, lie).fault or "")
    with database(world, tmp_path) as rows:
        rows.execute("UPDATE attestations SET envelope = (SELECT envelope FROM attestations WHERE name = 'types')")
    assert "was altered" in (verified(world).fault or "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE results SET body = replace(body, 'passed', 'failed') WHERE gate = 'lint'", "gate lint of attempt 1"),
        ("DELETE FROM results WHERE gate = 'lint'", "gate lint of attempt 1 is gone"),
        ("UPDATE verdicts SET body = replace(body, 'review', 'merge')", "verdict on attempt 1"),
        ("DELETE FROM attestations WHERE name = 'lint'", "is missing"),
        ("UPDATE audit SET seal = NULL WHERE sequence = 9", "entry 9 is not sealed"),
        ("UPDATE audit SET seal = (SELECT seal FROM audit WHERE sequence = 8) WHERE sequence = 9", "entry 9 has a false seal"),
    ],
)
def test_rows_that_are_not_what_was_signed_are_found(tmp_path: Path, change: str, said: str) -> None:
    world, _ = decided(tmp_path)
    assert verified(world).fault is None
    with database(world, tmp_path) as rows:
        rows.execute(change)
    assert said in (verified(world).fault or "")


# --- keys


def test_what_an_old_key_signed_stays_valid_and_it_signs_no_more(tmp_path: Path) -> None:
    world, attempt = decided(tmp_path)
    old = world.ledger.key_in_force()
    assert old is not None
    kept_away = (tmp_path / "keys" / f"{old}.key").read_bytes()
    entry = world.ledger.rotate_key(by="operator", at=2.0)
    assert (entry.kind, (entry.seal or "").partition(":")[0]) == ("key.rotated", old)
    assert not (tmp_path / "keys" / f"{old}.key").exists()
    assert decide(world.services, attempt.id, run_id="r1")[0].outcome is Outcome.PASSED
    again(world, attempt, Outcome.FAILED)
    assert verified(world).fault is None
    # Somebody who kept the old key signs on with it.
    (tmp_path / "keys" / f"{old}.key").touch(mode=0o600)
    (tmp_path / "keys" / f"{old}.key").write_bytes(kept_away)
    last = list(world.ledger.audit())[-1]
    seal = f"{old}:{world.keyring.sign(old, f'forge.audit/1 {last.digest}'.encode())}"
    with database(world, tmp_path) as rows:
        rows.execute("UPDATE audit SET seal = ? WHERE sequence = ?", (seal, last.sequence))
    assert f"is sealed by key {old[:12]}" in (verified(world).fault or "")


def test_a_lost_key_stops_forge_until_the_operator_says_so(tmp_path: Path) -> None:
    world, _ = decided(tmp_path)
    for path in (tmp_path / "keys").glob("*.key"):
        path.unlink()
    world.keyring = FolderKeyring(tmp_path / "keys")
    fresh = World(tmp_path)
    with pytest.raises(ConfigurationError, match="is gone"):
        fresh.ledger.record("note", {}, 1.0)
    with pytest.raises(ConfigurationError, match="is gone"):
        fresh.ledger.rotate_key(by="operator", at=2.0)
    fresh.ledger.rotate_key(by="operator", at=2.0, lost=True)
    fresh.ledger.record("note", {}, 3.0)
    assert (verified(fresh).fault, len(verified(fresh).keys)) == (None, 2)


@pytest.mark.parametrize(("path", "mode"), [("keys", 0o755), ("keys", 0o710), ("key", 0o640), ("key", 0o604)])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, path: str, mode: int) -> None:
    keyring = FolderKeyring(tmp_path / "keys")
    key, _ = keyring.create()
    assert keyring.sign(key, b"m")
    (tmp_path / "keys" if path == "keys" else tmp_path / "keys" / f"{key}.key").chmod(mode)
    with pytest.raises(ConfigurationError, match="used by others") as refused:
        keyring.sign(key, b"m")
    assert "chmod" in refused.value.hint


def test_the_key_files_are_private(tmp_path: Path) -> None:
    keyring = FolderKeyring(tmp_path / "keys")
    key, _ = keyring.create()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / f"{key}.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="no key's name"):
        keyring.sign("../../etc/passwd", b"m")


# --- statements


def test_statements_are_what_the_reference_libraries_read(kept: Kept) -> None:
    kinds = set()
    public = {period.key: period.public for period in kept.check(list(kept.lines)).keys}
    for line in kept.lines:
        stored = json.loads(line).get("attestation")
        if stored is None:
            continue
        key = json.loads(stored["envelope"])["signatures"][0]["keyid"]
        payload = kept.world.keyring.opened(stored["envelope"], public[key])
        statement = parse_statement(payload)
        ReferenceStatement.copy_from_pb(json_format.Parse(payload, statement_pb2.Statement())).validate()
        if statement.kind is Kind.VERDICT:
            levels = statement.predicate["verifiedLevels"]
            assert levels == []  # the library has one text here, where the specification has a list
            fields = {**statement.predicate, "verifiedLevels": ""}
            summary = json_format.ParseDict(fields, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
            assert (summary.verification_result, summary.verifier.id) == ("FAILED", "https://forge.dev/forge/v1")
            assert len(summary.input_attestations) == len(statement.verdict.gates)
        kinds.add(statement.kind)
    assert kinds == {Kind.GATE, Kind.VERDICT}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_payload_that_is_no_statement_is_refused_as_such(payload: bytes) -> None:
    with pytest.raises(ValueError):
        parse_statement(payload)


class Sigstore:
    def __init__(self, fault: EvidenceError | None = None) -> None:
        self.fault, self.asked = fault, 0

    def sign(self, payload: bytes) -> str:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return json.dumps({"signed": parse_statement(payload).predicate_type})


def test_sigstore_signs_verdicts_and_builds_beside_forge(tmp_path: Path) -> None:
    world, attempt = judged(tmp_path)
    signer = Sigstore()
    world.services = dataclasses.replace(world.services, keyless=signer)
    decide(world.services, attempt.id, run_id="r1")
    keep_result(world.services, attempt, gate_result("build", Outcome.PASSED), tree=TREE)
    keep_result(world.services, attempt, gate_result("lint", Outcome.PASSED), tree=TREE)
    assert signer.asked == 2
    (verdict,) = world.ledger.statements(Kind.VERDICT, repository=attempt.repository)
    assert json.loads(verdict.bundle or "") == {"signed": "https://slsa.dev/verification_summary/v1"}


def test_an_unreachable_sigstore_is_said_and_changes_nothing(tmp_path: Path) -> None:
    world, attempt = judged(tmp_path)
    world.services = dataclasses.replace(world.services, keyless=Sigstore(EvidenceError("nobody answers")))
    said: list[str] = []
    decide(world.services, attempt.id, run_id="r1", log=said.append)
    assert any("not signed by Sigstore: nobody answers" in line for line in said)
    (verdict,) = world.ledger.statements(Kind.VERDICT, repository=attempt.repository)
    assert verdict.bundle is None
    assert Proofs(world.services).opened(verdict).statement.kind is Kind.VERDICT


# --- replay

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["lint", "decide", "approve", "reject", "rotate"]), st.sampled_from([Outcome.PASSED, Outcome.FAILED])
    ),
    max_size=5,
)


@settings(max_examples=6)
@given(_STEPS)
def test_replaying_the_log_gives_the_state(steps: list[tuple[str, Outcome]]) -> None:
    home = Path(tempfile.mkdtemp(prefix="forge-evidence-"))
    world, attempt = judged(home)
    for step, outcome in steps:
        if step == "lint":
            again(world, attempt, outcome)
        elif step == "decide":
            decide(world.services, attempt.id, run_id="r1")
        elif step == "rotate":
            world.ledger.rotate_key(by="operator", at=1.0)
        elif world.host.pulls[1].state == "open":
            world.say(approved=step == "approve")
    found = verified(world)
    assert found.fault is None
    assert {gate for _, gate in found.replay.results} == set(world.ledger.results(attempt.id)) - {"verdict"}
    assert (attempt.id in found.replay.verdicts) == (world.ledger.verdict(attempt.id) is not None)
    assert verify(world.ledger.audit()).fault is None
    world.ledger.close()
    shutil.rmtree(home)
