"""What signing costs a run: 24 results with and without attestations. Usage: python -m benchmarks.evidence"""

import tempfile
import time
from pathlib import Path

from forge_dagster.domain.attestations import PAYLOAD_TYPE, gate_statement
from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.graph import GATES, Job
from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.results import gate_result
from forge_dagster.evidence.keyring import FolderKeyring
from forge_dagster.ledger.sql import SqlLedger
from forge_dagster.ports import Attestation


def main() -> None:
    attempt = Attempt(
        id=1, repository="a/b", job=Job.CHANGE, number=1, base_ref="main", head_sha="a" * 40, policy_digest="p" * 64
    )
    results = [gate_result(spec.name, Outcome.PASSED) for spec in GATES]
    with tempfile.TemporaryDirectory() as folder:
        keyring = FolderKeyring(Path(folder) / "keys")
        key, _ = keyring.create()
        begun = time.perf_counter()
        for result in results:
            keyring.envelope(key, gate_statement(attempt, result, tree="7" * 40, base=None, at=1.0).payload(), PAYLOAD_TYPE)
        print(f"signing {len(results)} statements: {(time.perf_counter() - begun) * 1e3:.1f} ms")
        for name, signer in (("plain", None), ("signed", FolderKeyring(Path(folder) / "signed"))):
            ledger = SqlLedger(f"sqlite:///{folder}/{name}.db", keyring=signer)
            ledger.record("note", {}, 1.0)
            begun = time.perf_counter()
            for result in results:
                statement = gate_statement(attempt, result, tree="7" * 40, base=None, at=1.0)
                body = {"attempt": 1, "gate": result.gate}
                attestation = Attestation(statement=statement, body=body, at=1.0) if signer else None
                ledger.put_result(1, result, attestation=attestation)
            print(f"storing {len(results)} results, {name}: {(time.perf_counter() - begun) * 1e3:.1f} ms")
            ledger.close()


if __name__ == "__main__":
    main()
