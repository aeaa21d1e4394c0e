"""What the integrity gate knows by looking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.changes import Change, ChangedFile, Identity
from forge_dagster.domain.integrity import (
    hidden_findings,
    identity_findings,
    leaves_tree,
    link_findings,
    path_findings,
    protected_findings,
)
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.policy import RiskSection

ALL = {"task": "t", "model": "m", "prompt_hash": "h"}
ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        (Identity(), []),
        (Identity(agent="forge/builder-01"), []),
        (Identity(pusher="ann"), []),
        (Identity(pusher="forge/builder-01", pusher_is_agent=True, agent="forge/builder-01", **ALL), []),
        (
            Identity(pusher="forge/builder-01", pusher_is_agent=True, agent="forge/builder-02", **ALL),
            [("identity-mismatch", ERROR)],
        ),
        (Identity(pusher="forge/builder-01", pusher_is_agent=True), [("missing-trailers", WARNING)]),
        (Identity(pusher="forge/builder-01", pusher_is_agent=True, agent="forge/builder-01"), [("missing-trailers", WARNING)]),
        (Identity(pusher="ann", agent="forge/builder-01"), [("agent-claimed", WARNING)]),
    ],
)
def test_identity(identity: Identity, found: list[tuple[str, Severity]]) -> None:
    assert [(f.rule, f.severity) for f in identity_findings(identity)] == found


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("forge.toml", WARNING),
        (".github/workflows/ci.yml", WARNING),
        ("tests/conftest.py", NOTE),
        ("web/vitest.config.ts", NOTE),
        ("pyproject.toml", NOTE),
        ("AGENTS.md", WARNING),
        ("web/.gitattributes", WARNING),
        (".gitlab-ci.yml", WARNING),
        ("CODEOWNERS", WARNING),
        ("src/shop/price.py", None),
        ("docs/forge.toml.md", None),
    ],
)
def test_protected_paths_are_seen_and_never_errors(path: str, severity: Severity | None) -> None:
    change = Change(repository="o/r", files=(ChangedFile(path=path),))
    assert [f.severity for f in protected_findings(change, RiskSection())] == ([severity] if severity else [])


def test_the_old_name_of_a_renamed_file_counts_too() -> None:
    change = Change(repository="o/r", files=(ChangedFile(path="x.bak", status="renamed", previous_path="forge.toml"),))
    assert [f.file for f in protected_findings(change, RiskSection())] == ["forge.toml"]


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        ("a.py", "if access != 'user\u202e \u2066# admin\u2069 \u2066':", ERROR),
        ("README.md", "read \u202ethis", ERROR),
        ("test/fixture/urls.json", '"/foo/\u202ebar"', WARNING),
        ("locales/ar.po", 'msgstr "\u202babc\u202c"', WARNING),
        ("web/package.json", '"test": "\u202eabc"', ERROR),
        ("test/fixture/urls.json", "hello\U000e0049\U000e0067\U000e006e", ERROR),
        ("AGENTS.md", "hello\U000e0049\U000e0067\U000e006e", ERROR),
        ("a.py", "us\u200ber = 1", ERROR),
        ("README.md", "zero\u200bwidth", WARNING),
        ("a.py", "x = 1\ufeff", ERROR),
        ("a.py", "\ufeffx = 1", None),
        ("flags.md", "Scotland \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", None),
        ("a.py", "# Größe, 大きさ, \u0645\u0631\u062d\u0628\u0627 \u200f, \U0001f468\u200d\U0001f469", None),
    ],
)
def test_hidden_characters(path: str, text: str, severity: Severity | None) -> None:
    found = list(hidden_findings(path, f"plain\n{text}\n", None))
    assert {(f.line, f.severity) for f in found} == ({(2, severity)} if severity else set())


def test_only_changed_lines_are_looked_at() -> None:
    text = "a\u202eb\nc\u202ed\n"
    assert [f.line for f in hidden_findings("a.py", text, {2})] == [2]
    assert not list(hidden_findings("a.py", text, set()))


@given(st.text())
def test_text_without_hidden_characters_has_no_findings(text: str) -> None:
    kept = "".join(c for c in text if c.isprintable() or c == "\n")
    assert not list(hidden_findings("a.py", kept, None))


def test_names_and_links() -> None:
    assert [f.file for f in path_findings(["ok.py", "a\u202etxt.py", "b\n.py"])] == ["a\u202etxt.py", "b\n.py"]
    links = {"a": "b", "x/y": "../z", "x/up": "../../etc", "abs": "/etc/passwd", "g": ".git/config", "n/g": "../.GIT/hooks"}
    assert [f.file for f in link_findings(links)] == ["x/up", "abs", "g", "n/g"]


@given(st.lists(st.sampled_from(["a", "b", ".", ""]), min_size=1, max_size=6))
def test_a_link_without_dots_never_leaves(parts: list[str]) -> None:
    target = "/".join(parts).lstrip("/")
    assert not leaves_tree("x/y", target)
