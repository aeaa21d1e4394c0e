"""Redaction: every form of a known secret, the shapes of credentials, and nothing else."""

import base64
import json
import string
import textwrap
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Category, Outcome
from forge_dagster.domain.redaction import MASK, MIN_SECRET, Redaction, open_key, redaction
from forge_dagster.domain.results import ToolRun, gate_result
from tests.support.canaries import credential, private_key

secrets = st.text(alphabet=string.ascii_letters + string.digits + "+/=&<>\"'\\ %é~-", min_size=12, max_size=60).map(str.strip)
secrets = secrets.filter(lambda text: len(text) >= 12 and text not in MASK)
around = st.text(alphabet=string.ascii_letters + " \n{}:", max_size=20)

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "json": lambda text: json.dumps({"a": text}),
    "json, not ASCII": lambda text: json.dumps({"a": text}, ensure_ascii=False),
    "query": lambda text: urllib.parse.urlencode({"a": text}),
    "path": urllib.parse.quote,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in a pair": lambda text: base64.b64encode(f"user:{text}\n".encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(f"a{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=30)
@given(secret=secrets, before=around, after=around)
@example(secret="p+ss/w&rd<1>=", before="", after="")
def test_every_form_of_a_secret_is_blanked(encoding: str, secret: str, before: str, after: str) -> None:
    shown = before + ENCODINGS[encoding](secret) + after
    clean = redaction([secret]).text(shown)
    assert MASK in clean
    assert secret not in clean.replace(MASK, "\0")
    assert redaction([secret]).data(shown.encode()).decode().count(MASK) >= 1


def test_base64_broken_into_lines() -> None:
    secret = credential("github", 200)
    shown = "\n".join(textwrap.wrap(base64.b64encode(secret.encode()).decode(), 76))
    assert set(redaction([secret]).text(shown).split()) <= {MASK, shown.splitlines()[-1]}


@given(st.text(max_size=200))
def test_it_is_idempotent(text: str) -> None:
    once = redaction(["correct horse battery"]).text(text)
    assert redaction(["correct horse battery"]).text(once) == once


def test_a_key_of_several_lines_is_blanked_line_by_line() -> None:
    key = private_key()
    known = redaction([key])
    for line in key.splitlines()[1:-1]:
        assert known.data(f"line: {line}".encode()) == f"line: {MASK}".encode()


@pytest.mark.parametrize("kind", ["github", "github fine", "forge", "aws", "slack", "jwt"])
def test_credentials_are_known_by_their_shape(kind: str) -> None:
    secret = credential(kind)
    assert Redaction().text(f"found {secret} here") == f"found {MASK} here"


def test_private_key_blocks_are_blanked_open_or_closed() -> None:
    key = private_key()
    assert Redaction().text(f"before\n{key}\nafter") == f"before\n{MASK}\nafter"
    assert Redaction().text(f"before\n{key[:300]}") == f"before\n{MASK}"


@pytest.mark.parametrize(
    ("shown", "clean"),
    [
        ("DB_PASSWORD=hunter2hunter2 next", f"DB_PASSWORD={MASK} next"),
        ("?token=0123456789ab&page=2", f"?token={MASK}&page=2"),
        ('{"api_key": "0123456789ab", "page": 2}', f'{{"api_key": "{MASK}", "page": 2}}'),
        ("Possible hardcoded password: 'hunter2'", f"Possible hardcoded password: '{MASK}'"),
        ("postgresql://forge:hunter2@127.0.0.1/db", f"postgresql://{MASK}@127.0.0.1/db"),
        ("Authorization: Basic Zm9yZ2U6aHVudGVyMg==", f"Authorization: {MASK}"),
    ],
)
def test_values_with_a_telling_name(shown: str, clean: str) -> None:
    assert Redaction().text(shown) == clean


@pytest.mark.parametrize(
    "text",
    [
        "src/shop/tokens.py:12 expected token: str",
        'Argument "password" to "login" has incompatible type "int"; expected "str"',
        "https://example.org/a@b",
        "2 passed, 1 failed in 0.12s",
        "a" * 40,
        "assert secret == other",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redaction(["correct horse battery"]).text(text) == text


def test_values_that_are_part_of_ordinary_words_are_left_out() -> None:
    assert redaction(["abc", "", "  \n"]) == Redaction()
    assert len("abcdef") == MIN_SECRET
    assert redaction(["abcdef"]).text("abcdef") == MASK


def test_models_keep_their_types() -> None:
    secret = "correct horse battery"
    finding = Finding(tool="ruff", rule="S105", message=f"it is {secret}", category=Category.LINT, file="a.py", snippet="kept")
    run = ToolRun(tool="ruff", outcome=Outcome.FAILED, reason=f"said {secret}")
    result = gate_result(
        "lint", Outcome.FAILED, reason=secret, findings=[finding], tools=(run,), links={"x": f"http://{secret}"}
    )
    clean = redaction([secret]).value(result)
    assert secret not in clean.model_dump_json()
    assert clean.findings[0].snippet == "kept"
    assert clean.outcome is Outcome.FAILED
    assert clean.findings[0].fingerprint == result.findings[0].fingerprint
    assert redaction(["another secret"]).value(result) is result


def test_open_key_tells_where_to_wait() -> None:
    key = private_key().encode()
    assert open_key(b"x\n" + key[:200]) == 2
    assert open_key(b"x\n" + key) is None
    assert open_key(b"x") is None
    assert open_key(key[:60] + b"x" * 20_000) is None
