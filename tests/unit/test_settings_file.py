"""The operator's settings: read strictly, faults named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.settings import Settings
from forge_dagster.domain.settings_file import parse_settings
from forge_dagster.errors import ConfigurationError

HOME = Path("/home/somebody/.forge")


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse_settings("", home=HOME) == Settings(home=HOME)


def test_values_are_taken() -> None:
    text = """
    max_parallel_gates = 2
    [ports]
    server = 0
    [[hosts]]
    name = "github"
    kind = "github"
    api_url = "https://api.github.com"
    repositories = ["o/r"]
    """
    settings = parse_settings(text, home=HOME)
    assert (settings.max_parallel_gates, settings.ports.server, settings.ports.envoy_admin) == (2, 0, 7733)
    assert settings.hosts[0].repositories == ("o/r",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_paralel_gates = 2", 'unknown key "max_paralel_gates" (did you mean "max_parallel_gates"?)'),
        ("[ports]\nsrever = 1", 'unknown key "ports.srever" (did you mean "server"?)'),
        ('[[hosts]]\nname = "x"\n[[hosts]]\ntokenfile = "y"', 'unknown key "hosts.1.tokenfile" (did you mean "token_file"?)'),
        ("[ports]\nserver = 'many'", "ports.server: Input should be a valid integer"),
        ("max_parallel_gates = 0", "max_parallel_gates: Input should be greater than or equal to 1"),
        ("home = '/elsewhere'", 'unknown key "home"'),
        ("ports = [", "not valid TOML"),
    ],
)
def test_a_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_settings(text, home=HOME, where="/h/settings.toml")
    assert error.value.message.startswith("/h/settings.toml")
    assert message in error.value.message
    assert error.value.hint


@given(
    st.text()
    | st.dictionaries(st.text(max_size=8), st.integers(), max_size=3).map(lambda d: "\n".join(f"{k}={v}" for k, v in d.items()))
)
def test_any_text_is_parsed_or_refused_with_a_hint(text: str) -> None:
    try:
        settings, hint = parse_settings(text, home=HOME), ""
    except ConfigurationError as error:
        settings, hint = None, error.hint
    assert settings is not None or hint
