"""Attacks on the evidence: by somebody who can write to the ledger's database and to the artifacts, but not read the keys.

Undefended is a ledger that believes its rows (no keys), or a platform that is given an artifact as it lies there.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forge_dagster.domain.attestations import content_digest
from forge_dagster.domain.audit import GENESIS, link_digest, verify
from forge_dagster.domain.decisions import Decision
from forge_dagster.domain.graph import Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.trust import TRUST_SET
from forge_dagster.errors import EvidenceError
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.usecases.decide import decide
from forge_dagster.usecases.merge import merge
from tests.attacks.attack import Attack
from tests.fakes.git_world import AGENT, REPOSITORY, World
from tests.support.built_release import BuiltRelease
from tests.support.evidence import database, decided, judged, verified

Play = Callable[[World, Path], bool]


def _unsigned(world: World) -> World:
    """The same world, believing what its database says."""
    world.services = dataclasses.replace(world.services, keyring=None)
    return world


def _both(name: str, published: str, play: Callable[[Path, bool], bool]) -> Attack:
    return Attack(
        name=f"evidence/{name}",
        published=published,
        undefended=lambda folder: play(folder, False),
        defended=lambda folder: play(folder, True),
    )


def _forged_verdict(home: Path, defended: bool) -> bool:
    world, attempt = decided(home)
    with database(world, home) as rows:
        (body,) = rows.execute("SELECT body FROM verdicts").fetchone()
        rows.execute("UPDATE verdicts SET body = ?", (json.dumps(json.loads(body) | {"decision": "merge"}),))
    if not defended:
        _unsigned(world)
    try:
        merge(world.services, attempt.id)
    except EvidenceError:
        return False
    return bool(world.host.merges)


def _own_trust(home: Path, defended: bool) -> bool:
    """An entry that trusts the agent is slipped into the log."""
    world, attempt = judged(home)
    body = {"agent": AGENT, "repository": REPOSITORY, "level": 3, "by": "operator", "why": ""}
    with database(world, home) as rows:
        last, previous = rows.execute("SELECT sequence, digest FROM audit ORDER BY sequence DESC LIMIT 1").fetchone()
        made = link_digest(sequence=last + 1, at=1.0, kind=TRUST_SET, body=body, previous=previous)
        row = (last + 1, 1.0, TRUST_SET, json.dumps(body), previous, made)
        rows.execute("INSERT INTO audit (sequence, at, kind, body, previous, digest) VALUES (?, ?, ?, ?, ?, ?)", row)
    if not defended:
        _unsigned(world)
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    return verdict.decision is Decision.MERGE


def _altered_result(home: Path, defended: bool) -> bool:
    world, attempt = judged(home, lint=Outcome.FAILED)
    world.trust()
    with database(world, home) as rows:
        (body,) = rows.execute("SELECT body FROM results WHERE gate = 'lint'").fetchone()
        rows.execute("UPDATE results SET body = ? WHERE gate = 'lint'", (json.dumps(json.loads(body) | {"outcome": "passed"}),))
    if not defended:
        _unsigned(world)
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    return verdict.decision is Decision.MERGE


def _forged_approval(home: Path, defended: bool) -> bool:
    world, attempt = judged(home)
    word = {
        "repository": REPOSITORY, "number": 1, "head_sha": attempt.head_sha, "by": "operator", "approved": True, "comment": "",
        "at": 1.0,
    }  # fmt: skip
    values = (REPOSITORY, 1, attempt.head_sha, "operator", json.dumps(word), 1.0)
    world.ledger.attempts()
    with database(world, home) as rows:
        rows.execute("INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?)", values)
    if not defended:
        _unsigned(world)
    verdict, _ = decide(world.services, attempt.id, run_id="r1")
    return verdict.decision is Decision.MERGE


# --- releases


def _release(name: str, published: str, play: Callable[[BuiltRelease], bool]) -> Attack:
    """Without the proof, the platform is given what the release's row names."""

    def undefended(home: Path) -> bool:
        release = BuiltRelease(home)
        play(release)
        return release.world.ledger.results(release.attempt.id)["build"].outcome is Outcome.PASSED and release.artifact.exists()

    return Attack(name=f"evidence/{name}", published=published, undefended=undefended, defended=lambda h: play(BuiltRelease(h)))


def _artifact_swapped(release: BuiltRelease) -> bool:
    release.let_through()
    assert release.goes_out()
    release.artifact.write_bytes(b"something else")
    return release.goes_out()


def _other_repository(release: BuiltRelease) -> bool:
    release.let_through(repository="acme/other")
    with database(release.world, release.home) as rows:  # the row says ours, the signed statement does not
        rows.execute("UPDATE attestations SET repository = ? WHERE kind = 'verdict'", (REPOSITORY,))
    return release.goes_out()


def _other_environment(release: BuiltRelease) -> bool:
    release.let_through(base_ref="staging")
    return release.goes_out()


def _downgraded_policy(release: BuiltRelease) -> bool:
    release.let_through(policy_digest="d" * 64)
    return release.goes_out()


def _rejected_tree(release: BuiltRelease) -> bool:
    release.let_through(Decision.REJECT)
    return release.goes_out()


def _retargeted(release: BuiltRelease) -> bool:
    """The tag or branch that was released is moved to another commit, whose tree nobody judged."""
    release.let_through(tested_tree="8" * 40)
    return release.goes_out()


def _replayed_build(release: BuiltRelease) -> bool:
    """The attested build of an earlier release is given out as this one's."""
    release.let_through()
    late = release.open(Job.RELEASE, "d" * 40, number=None)
    with database(release.world, release.home) as rows:
        rows.execute("UPDATE attestations SET attempt_id = ? WHERE kind = 'gate'", (late.id,))
    return release.goes_out(late)


def _other_key(release: BuiltRelease) -> bool:
    """The verdict is signed by a key of the attacker's."""
    release.let_through(Decision.REJECT)
    mine = FolderKeyring(release.home / "mine")
    key, _ = mine.create()
    with database(release.world, release.home) as rows:
        digest_of, text = rows.execute("SELECT digest, envelope FROM attestations WHERE kind = 'verdict'").fetchone()
        payload = release.world.keyring.opened(text, next(iter(release.world.keyring.trusted().values())))
        forged = payload.replace(b'"decision":"reject"', b'"decision":"merge"')
        assert forged != payload
        fresh = mine.envelope(key, forged, "application/vnd.in-toto+json")
        rows.execute(
            "UPDATE attestations SET digest = ?, envelope = ? WHERE digest = ?", (content_digest(fresh), fresh, digest_of)
        )
        rows.execute("UPDATE audit SET body = replace(body, ?, ?)", (digest_of, content_digest(fresh)))
    return release.goes_out()


# --- the log


def _rechained(rows: Any) -> None:
    """Chain all entries anew, as anybody can who may write to the database."""
    previous = GENESIS
    for sequence, at, kind, body in rows.execute("SELECT sequence, at, kind, body FROM audit ORDER BY sequence").fetchall():
        made = link_digest(sequence=sequence, at=at, kind=kind, body=json.loads(body), previous=previous)
        rows.execute("UPDATE audit SET previous = ?, digest = ? WHERE sequence = ?", (previous, made, sequence))
        previous = made


def _rewritten_chain(home: Path, defended: bool) -> bool:
    world, _ = decided(home)
    with database(world, home) as rows:
        rows.execute("UPDATE audit SET body = replace(body, 'review', 'merge') WHERE kind = 'verdict'")
        _rechained(rows)
    return (verified(world) if defended else verify(world.ledger.audit())).fault is None


def _substituted_key(home: Path, defended: bool) -> bool:
    """The whole log is sealed anew with the attacker's key, which the log itself names."""
    world, _ = decided(home)
    mine = FolderKeyring(home / "mine")
    key, public = mine.create()
    with database(world, home) as rows:
        named = json.dumps({"key": key, "public": public, "former": None, "by": ""}, sort_keys=True, separators=(",", ":"))
        rows.execute("UPDATE audit SET body = ? WHERE kind = 'key.created'", (named,))
        _rechained(rows)
        for sequence, made in rows.execute("SELECT sequence, digest FROM audit").fetchall():
            seal = f"{key}:{mine.sign(key, f'forge.audit/1 {made}'.encode())}"
            rows.execute("UPDATE audit SET seal = ? WHERE sequence = ?", (seal, sequence))
    if not defended:
        return verify(world.ledger.audit()).fault is None
    try:
        return verified(world).fault is None
    except Exception:  # noqa: BLE001 - Forge refuses to go on with a key that it does not hold
        return False


def _truncated(home: Path, defended: bool) -> bool:
    world, _ = decided(home)
    noted = list(world.ledger.audit())[-1].digest
    with database(world, home) as rows:
        rows.execute("DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)")
    found = verified(world, expected_head=noted) if defended else verify(world.ledger.audit())
    return found.fault is None


SLSA = "SLSA v1.0, threats: (D) to (H), tampering between source, build and consumer"
TAMPERED = "security.md: an exit code, a row or a report is not evidence"

ATTACKS = (
    _both("forged verdict row", TAMPERED, _forged_verdict),
    _both("altered gate result in the database", TAMPERED, _altered_result),
    _both("forged approval row", TAMPERED, _forged_approval),
    _both("raise its own trust", TAMPERED, _own_trust),
    _release("artifact swapped after its build", SLSA, _artifact_swapped),
    _release("attestation of another repository replayed", SLSA, _other_repository),
    _release("attestation of another environment replayed", SLSA, _other_environment),
    _release("attested build of another release replayed", SLSA, _replayed_build),
    _release("verdict under another policy", SLSA, _downgraded_policy),
    _release("release of a rejected tree", SLSA, _rejected_tree),
    _release("branch retargeted after the verdict", "tj-actions/changed-files, 2025-03: moved tags", _retargeted),
    _release("verdict signed by another key", SLSA, _other_key),
    _both("log rewritten and chained anew", "RFC 9162, section 1: why logs are signed", _rewritten_chain),
    _both("log sealed anew by a substituted key", SLSA, _substituted_key),
    _both("log cut off at its end", "RFC 9162, section 1: why heads are kept elsewhere", _truncated),
)
