import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.decisions import Risk, RiskLevel, TrustLevel
from forge_dagster.domain.globs import matches
from forge_dagster.domain.policy import RiskSection
from forge_dagster.domain.risk import MAX_REASONS, classify
from forge_dagster.domain.trust import merges_alone, why_not

_DEFAULT = RiskSection()


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("docs/**", ["docs/a", "docs/a/b.md"], ["docs", "x/docs/a", "docsx/a"]),
        ("**/*.md", ["a.md", "x/y/a.md", ".md"], ["a.mdx", "a.md/b"]),
        ("**/auth/**", ["auth/x", "src/auth/x/y"], ["auth", "src/auth", "src/oauth/x"]),
        ("Makefile", ["Makefile", "sub/Makefile"], ["Makefile.am", "xMakefile"]),
        ("/Makefile", ["Makefile"], ["sub/Makefile"]),
        ("docs/", ["docs/a", "docs/a/b", "x/docs/a"], ["docs"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a?c", ["abc", "x/abc"], ["a/c", "ac"]),
        ("[ab].py", ["a.py", "x/b.py"], ["c.py", "ab.py"]),
        ("[!a].py", ["b.py"], ["a.py"]),
        ("[a", ["[a"], ["a"]),
        ("[z-a].py", ["[z-a].py"], ["z.py"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("a.b", ["a.b"], ["axb"]),
        ("**", ["a", "a/b"], []),
        ("***.py", ["a.py", "x/a.py"], ["a/b.pyc"]),
        ("x/*", ["x/a"], ["x/a/b", "x"]),
    ],
)
def test_patterns_are_those_of_gitignore(pattern: str, fits: list[str], misses: list[str]) -> None:
    assert [path for path in fits if not matches(path, pattern)] == []
    assert [path for path in misses if matches(path, pattern)] == []


def test_a_pattern_that_fits_a_folder_can_fit_what_is_in_it() -> None:
    assert matches("Makefile/x/y", "Makefile", below=True)
    assert not matches("Makefile/x", "Makefile")
    assert matches("SRC/Auth/x", "**/auth/**", ignore_case=True)
    assert not matches("SRC/Auth/x", "**/auth/**")


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_pattern_is_too_strange(path: str, pattern: str) -> None:
    assert matches(path, pattern) in (True, False)
    assert not matches(path, pattern) or matches(path, pattern, below=True)


@pytest.mark.parametrize(
    ("paths", "level", "critical", "config_only"),
    [
        ([], RiskLevel.LOW, False, False),
        (["docs/a.md", "tests/test_x.py", "README.md"], RiskLevel.LOW, False, False),
        (["docs/a.md", "config/app.yaml"], RiskLevel.LOW, False, True),
        (["src/a.py"], RiskLevel.MEDIUM, False, False),
        (["docs/a.md", "src/a.py", "config/app.yaml"], RiskLevel.MEDIUM, False, False),
        (["src/a.py", "db/migrations/1.py"], RiskLevel.HIGH, False, False),
        (["src/a.py", "src/auth/login.py"], RiskLevel.HIGH, True, False),
        (["forge.toml"], RiskLevel.HIGH, True, False),
        (["tests/auth/test_x.py"], RiskLevel.HIGH, True, False),
        (["tests/conftest.py"], RiskLevel.HIGH, False, False),
        (["uv.lock"], RiskLevel.HIGH, False, False),
        # what would get a hostile change a lower class
        (["evil.md/run.py"], RiskLevel.MEDIUM, False, False),
        (["LICENSE/run.py"], RiskLevel.MEDIUM, False, False),
        (["SRC/AUTH/login.py"], RiskLevel.HIGH, True, False),
        (["sub/Makefile/x"], RiskLevel.HIGH, False, False),
    ],
)
def test_risk_by_default_paths(paths: list[str], level: RiskLevel, critical: bool, config_only: bool) -> None:
    risk = classify(paths, _DEFAULT)
    assert (risk.level, risk.critical, risk.config_only) == (level, critical, config_only)
    assert risk.reasons
    for path in risk.reasons:
        assert path == "no files" or any(one in path for one in paths)


def test_reasons_name_path_and_pattern_and_are_bounded() -> None:
    assert classify(["infra/main.tf"], _DEFAULT).reasons == ("infra/main.tf is high risk (infra/**)",)
    many = classify([f"infra/{n}" for n in range(50)], _DEFAULT).reasons
    assert len(many) == MAX_REASONS
    assert many[-1] == "and 41 more"
    assert "\n" not in classify(["a\nb"], _DEFAULT).reasons[0]


def test_a_critical_path_is_high_even_if_no_high_pattern_says_so() -> None:
    section = RiskSection(low=("**",), high=(), critical=("core/**",))
    assert classify(["core/x"], section).level is RiskLevel.HIGH
    assert classify(["other/x"], section).level is RiskLevel.LOW


_PATHS = st.lists(
    st.sampled_from(["docs/a.md", "src/a.py", "a.toml", "src/auth/a.py", "infra/x", "x.lock", "tests/t.py"]), max_size=6
)
_ORDER = list(RiskLevel)


@given(_PATHS, _PATHS)
def test_more_files_are_never_less_risk(some: list[str], more: list[str]) -> None:
    first, both = classify(some, _DEFAULT), classify(some + more, _DEFAULT)
    assert _ORDER.index(both.level) >= _ORDER.index(first.level)
    assert both.critical >= first.critical
    for level in TrustLevel:
        if merges_alone(level, both):
            assert merges_alone(level, first)


_RISKS = st.builds(Risk, level=st.sampled_from(RiskLevel), critical=st.booleans(), config_only=st.booleans())


@given(_RISKS)
def test_trust_is_monotone_and_starts_at_nothing(risk: Risk) -> None:
    allowed = [merges_alone(level, risk) for level in TrustLevel]
    assert allowed == sorted(allowed)
    assert not allowed[0]
    assert not (risk.critical and any(allowed))
    for level in TrustLevel:
        assert why_not(level, risk)


@pytest.mark.parametrize(
    ("risk", "least"),
    [
        (Risk(level=RiskLevel.LOW), TrustLevel.L1),
        (Risk(level=RiskLevel.LOW, config_only=True), TrustLevel.L2),
        (Risk(level=RiskLevel.MEDIUM), TrustLevel.L2),
        (Risk(level=RiskLevel.HIGH), TrustLevel.L3),
    ],
)
def test_the_specifications_table(risk: Risk, least: TrustLevel) -> None:
    assert [level for level in TrustLevel if merges_alone(level, risk)] == [level for level in TrustLevel if level >= least]
