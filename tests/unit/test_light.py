"""Which changes take the light path."""

import pytest

from forge_dagster.domain.light import is_light
from forge_dagster.domain.policy import parse_policy
from forge_dagster.domain.policy_gates import LightSection
from forge_dagster.errors import ConfigurationError


@pytest.mark.parametrize(
    ("paths", "light"),
    [
        (["README.md"], True),
        (["docs/guide/a.html", "CHANGELOG.md"], True),
        (["LICENSE"], True),
        (["README.md", "src/a.py"], False),
        (["src/docs/a.py"], False),
        (["forge.toml"], False),
        ([".github/workflows/ci.yml"], False),
        (["package.json"], False),
        ([], False),
    ],
)
def test_documents_only(paths: list[str], light: bool) -> None:
    assert is_light(paths, LightSection()) is light


def test_a_policy_without_gates_has_no_light_path() -> None:
    assert not is_light(["README.md"], LightSection(gates=()))


def test_policy_defines_it() -> None:
    policy = parse_policy('[light]\npaths = ["**/*.txt"]\ngates = ["secrets"]\n')
    assert is_light(["a/b.txt"], policy.light)
    assert not is_light(["README.md"], policy.light)


def test_an_unknown_gate_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r'no gate "secret" \(did you mean "secrets"\?\)'):
        parse_policy('[light]\ngates = ["secret"]\n')
