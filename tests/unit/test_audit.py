import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.audit import GENESIS, canonical_json, link_digest, verify
from forge_dagster.ports import AuditEntry

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_BODIES = st.lists(st.dictionaries(st.text(max_size=5), _JSON, max_size=3), min_size=1, max_size=6)


def _chain(bodies: list[dict[str, Any]]) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    previous = GENESIS
    for sequence, body in enumerate(bodies, 1):
        digest = link_digest(sequence=sequence, at=1.5, kind="k", body=body, previous=previous)
        entries.append(AuditEntry(sequence=sequence, at=1.5, kind="k", body=body, previous=previous, digest=digest))
        previous = digest
    return entries


def test_the_digest_is_what_the_format_says() -> None:
    assert canonical_json({"b": 1.5, "a": "é\n"}) == '{"a":"\\u00e9\\n","b":1.5}'
    digest = link_digest(sequence=1, at=0.0, kind="k", body={}, previous=GENESIS)
    assert digest == "c42c8ae0c955fccce940d54cdfee97f46d055760ebe4870a27b11d6c82a9821f"


@given(_BODIES)
def test_an_honest_chain_verifies(bodies: list[dict[str, Any]]) -> None:
    entries = _chain(bodies)
    checked = verify(entries)
    assert (checked.fault, checked.entries, checked.head) == (None, len(entries), entries[-1].digest)


@given(_BODIES, st.data())
def test_any_change_is_found_where_it_is(bodies: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = _chain(bodies)
    index = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["at", "kind", "body", "previous", "digest", "sequence"]))
    changed: dict[str, Any] = {
        "at": 2.5, "kind": "other", "body": {"forged": 1}, "previous": "f" * 64, "digest": "f" * 64, "sequence": 99,
    }  # fmt: skip
    entries[index] = dataclasses.replace(entries[index], **{field: changed[field]})
    checked = verify(entries)
    assert checked.fault is not None
    assert checked.entries == index


@given(_BODIES.filter(lambda bodies: len(bodies) > 1), st.data())
def test_a_removed_or_swapped_entry_is_found(bodies: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = _chain(bodies)
    index = data.draw(st.integers(0, len(entries) - 2))
    assert "missing" in (verify(entries[:index] + entries[index + 1 :]).fault or "")
    swapped = [*entries]
    swapped[index], swapped[index + 1] = swapped[index + 1], swapped[index]
    assert verify(swapped).fault is not None


def test_an_empty_log_is_whole() -> None:
    assert verify([]).fault is None


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError):
        canonical_json(float("inf"))
    entry = AuditEntry(sequence=1, at=float("nan"), kind="k", body={}, previous=GENESIS, digest="x")
    assert "cannot be read" in (verify([entry]).fault or "")
