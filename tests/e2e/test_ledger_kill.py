"""Acknowledged means stored: a writer killed with SIGKILL in mid-write loses nothing that it said it had written."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forge_dagster.domain.audit import verify
from forge_dagster.ledger.sql import SqlLedger

_WRITER = """
import itertools, sys
from forge_dagster.ledger.sql import SqlLedger
ledger = SqlLedger(sys.argv[1])
for n in itertools.count(int(sys.argv[2])):
    ledger.receive(delivery=f"d{n}", host="h", name="push", action="", repository="o/r", payload={"n": n}, at=1.0)
    ledger.record("received", {"n": n}, at=1.0)
    print(n, flush=True)
"""


@pytest.mark.parametrize("rounds", [5])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, rounds: int) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    acknowledged: list[int] = []
    for number in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, str(number * 10_000)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.append(int(line))
            if len(acknowledged) % (7 + number) == 0:
                break
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait(30)
    ledger = SqlLedger(url)
    stored = {event.payload["n"] for event in ledger.due_events(limit=100_000)}
    assert len(acknowledged) >= rounds
    assert set(acknowledged) <= stored
    checked = verify(ledger.audit())
    assert checked.fault is None
    assert checked.entries >= len(acknowledged)
