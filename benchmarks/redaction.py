"""What blanking secrets costs: per line of a log, and per MiB of a tool's output. Prints microseconds and seconds; no limits.

Run: .venv/bin/python benchmarks/redaction.py
"""

import random
import string
import time

from forge_dagster.domain.redaction import redaction

SECRETS = 10
LINE = "tests/unit/test_cart.py::test_a_cart_of_nothing_costs_nothing[some-parameter] PASSED  [ 45%] in 0.2s"
REPEATS = 10_000
MIB = 32


def main() -> None:
    """Ten tokens of 40 characters, as ten hosts and keys would bring."""
    chance = random.Random(1)
    known = redaction("".join(chance.choices(string.ascii_letters + string.digits, k=40)) for _ in range(SECRETS))
    print(f"{SECRETS} secrets, {len(known.literals)} forms, the longest of {known.longest} bytes")
    begun = time.process_time()
    for _ in range(REPEATS):
        known.text(LINE)
    print(f"a line of {len(LINE)} characters: {(time.process_time() - begun) / REPEATS * 1e6:.1f} us")
    output = (f"{LINE}\n" * (MIB * 2**20 // (len(LINE) + 1))).encode()
    begun = time.process_time()
    known.data(output)
    print(f"a report of {MIB} MiB, known secrets only: {time.process_time() - begun:.2f} s")
    begun = time.process_time()
    known.text(output.decode())
    print(f"a log of {MIB} MiB at once, shapes too: {time.process_time() - begun:.2f} s")


if __name__ == "__main__":
    main()
