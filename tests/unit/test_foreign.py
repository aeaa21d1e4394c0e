"""Documents made to exhaust memory, stack or time are refused, and said to be; ordinary ones are read."""

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_dagster.domain import foreign
from forge_dagster.domain.foreign import MAX_DOTTED, TooMuch, load_json, load_toml, load_xml
from forge_dagster.domain.policy import POLICY_LIMIT, parse_policy
from forge_dagster.domain.services import compose_services
from forge_dagster.domain.yaml_text import read_yaml
from forge_dagster.errors import ConfigurationError, WorkspaceError

LAUGHS = '<!ENTITY a "ha">' + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(8))


def test_json_of_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MAX_VALUES", 1_000)
    with pytest.raises(TooMuch, match="more than 1000"):
        load_json(b"[" + b"0," * 2_000 + b"0]")
    with pytest.raises(TooMuch):
        load_json("[" * 2_000)
    assert load_json(b"[1, 2]") == [1, 2]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000, '{"a": 1' + "0" * 5_000 + "}"])
def test_json_that_is_deep_or_long(text: str) -> None:
    with pytest.raises(ValueError):
        load_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 100_000 + " = 1",
        "[" + "a." * 100_000 + "a]",
        'x = {"a"' + " . b" * 100_000 + " = 1}",
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 100_000,
        "a = 1979-99-99",
        "a = " + "9" * 5_000,
        "a-" * 100_000,
    ],
    ids=["dotted", "dotted table", "dotted inline", "lists", "tables", "date", "digits", "one word"],
)
def test_toml_made_to_exhaust_is_a_decode_error(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        load_toml(text)
    with pytest.raises(ConfigurationError):
        parse_policy(text)


def test_toml_with_long_keys_that_people_write() -> None:
    assert load_toml("a.b.'c.d'.e = 1") == {"a": {"b": {"c.d": {"e": 1}}}}
    assert load_toml(".".join("a" * (MAX_DOTTED - 1)) + " = 1")


def test_a_policy_larger_than_people_write_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="larger than"):
        parse_policy("#" * (POLICY_LIMIT + 1))


@pytest.mark.parametrize(
    "document",
    [
        f"<!DOCTYPE a [{LAUGHS}]><testsuites>&i;</testsuites>",
        f"<!-- <a --><!DOCTYPE a [{LAUGHS}]><testsuites>&i;</testsuites>",
        f"<?x <y ?>\n<!doctype a [{LAUGHS}]><a/>",
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    ],
)
def test_xml_with_a_doctype_is_refused_wherever_it_hides(document: str) -> None:
    with pytest.raises(ValueError):
        load_xml(document.encode())


def test_deep_xml_is_read_or_refused_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError):
        load_xml(b"<a>" * 20_000)
    assert load_xml(b"<a>" * 20_000 + b"</a>" * 20_000).tag == "a"
    monkeypatch.setattr(foreign, "MAX_VALUES", 1_000)
    with pytest.raises(TooMuch, match="elements and attributes"):
        load_xml(b"<a>" + b"<b/>" * 2_000 + b"</a>")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n"
        + "\n".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]" for n in range(9))
        + "\n"
        + "[" * 3_000,
        "- " * 10_000,
        "a: " + "{" * 5_000,
        "x" * 300_000,
    ],
    ids=["aliases", "lists", "mappings", "long"],
)
def test_yaml_bombs_are_refused(text: str) -> None:
    with pytest.raises(WorkspaceError):
        read_yaml(text, "it")
    assert compose_services(text) == ()


def test_yaml_aliases_and_merges_cost_what_is_written() -> None:
    laughs = "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9) if n else ''}], x{n}: 1}}" for n in range(30))
    text = f"{laughs}\nservices:\n  db: {{<<: *a29, image: 'postgres:16'}}\n"
    assert [service.kind for service in compose_services(text)] == ["postgres"]


def test_services_that_merge_their_defaults() -> None:
    text = "x-db: &db\n  image: postgres:16\n  environment: {POSTGRES_DB: shop}\nservices:\n  main:\n    <<: *db\n"
    assert [(one.name, one.environment) for one in compose_services(text)] == [("main", {"POSTGRES_DB": "shop"})]


@settings(max_examples=50)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("utf-8", "replace")))
def test_any_text_is_read_or_refused(text: str) -> None:
    for load, refusal in ((load_json, ValueError), (load_toml, tomllib.TOMLDecodeError)):
        try:
            load(text)
        except refusal:
            continue
    try:
        load_xml(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_json_says_is_what_is_read(value: object) -> None:
    assert load_json(json.dumps(value)) == value
