"""What is kept and logged of a process's output: bounded, and without secrets however it was written and cut."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain.redaction import MASK, redaction
from forge_dagster.workspace.streams import Collected
from tests.support.canaries import canary, private_key

SECRET = canary("streams")
KNOWN = redaction([SECRET])


def written(pieces: list[bytes], limit: int = 1 << 20) -> tuple[Collected, list[str]]:
    said: list[str] = []
    out = Collected(limit, said.append, KNOWN)
    for piece in pieces:
        out.add(piece)
    return out, said


@settings(max_examples=50)
@given(st.binary(max_size=60), st.binary(max_size=60), st.lists(st.integers(0, 160), max_size=6))
def test_a_secret_is_blanked_however_it_is_written(before: bytes, after: bytes, cuts: list[int]) -> None:
    text = before + SECRET.encode() + after
    ends = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    out, said = written([text[a:b] for a, b in itertools.pairwise(ends)])
    assert out.finish() == text
    assert SECRET not in "\n".join(said)
    assert MASK in "".join(said)


@settings(max_examples=40)
@given(st.integers(8_100, 8_300), st.integers(1, 20_000))
def test_a_secret_across_the_longest_line_is_blanked(before: int, after: int) -> None:
    out, said = written([b"x" * before, SECRET.encode()[:11], SECRET.encode()[11:], b"y" * after, b"\n"])
    out.finish()
    assert SECRET[:12] not in "".join(said)


@settings(max_examples=40)
@given(st.integers(0, 120))
def test_no_part_of_a_secret_is_left_where_output_is_cut(shift: int) -> None:
    limit = 1_000
    out, _ = written(
        [b"a" * (limit // 2 - shift), SECRET.encode(), b"b" * 3_000, SECRET.encode(), b"c" * (limit // 2 - shift)], limit
    )
    kept = out.finish()
    assert out.cut
    assert b"bytes cut" in kept
    assert b"canary-" not in kept
    assert SECRET[-8:].encode() not in kept


def test_the_lines_of_a_key_wait_for_its_end() -> None:
    key = private_key()
    said: list[str] = []
    out = Collected(1 << 20, said.append)
    out.add(b"first\n")
    for line in key.splitlines():
        out.add(line.encode() + b"\n")
    out.add(b"last\n")
    assert said == ["first", MASK, "last"]


def test_what_is_whole_is_said_at_once() -> None:
    out, said = written([b"one\r\ntwo", b"\n\nthree"])
    assert said == ["one", "two", ""]
    assert out.finish() == b"one\r\ntwo\n\nthree"
    assert said[-1] == "three"
