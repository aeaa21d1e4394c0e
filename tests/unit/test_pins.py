"""What a pre-commit hook pins, as packages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.pins import pin_of, version_of_rev
from forge_dagster.domain.project import Hook, Language, Project

PYTHON, NODE = Language.PYTHON, Language.TYPESCRIPT
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("rev", "version"),
    [
        ("v0.11.0", "0.11.0"),
        ("24.4.2", "24.4.2"),
        ("v1.10", "1.10"),
        ("v4.0.0-alpha.8", "4.0.0-alpha.8"),
        ("25.1.0a1", "25.1.0a1"),
        ("v1.1.350.post1", "1.1.350.post1"),
        (SHA, None),
        ("main", None),
        ("stable", None),
        ("", None),
        ("v1", None),
        ("v1.0 --index-url=x", None),
        ("1.0/../..", None),
    ],
)
def test_rev_to_version(rev: str, version: str | None) -> None:
    assert version_of_rev(rev) == version


@given(st.text(max_size=40))
def test_a_version_is_plain(rev: str) -> None:
    version = version_of_rev(rev)
    assert version is None or (version.isascii() and set(version) <= set("0123456789.-abcdeghilnoprstvx"))


def hook(repository: str, rev: str, name: str, *dependencies: str) -> Project:
    return Project(hooks=(Hook(id=name, repository=repository, rev=rev, additional_dependencies=dependencies),))


@pytest.mark.parametrize(
    ("project", "package", "language", "requirements"),
    [
        (hook("https://github.com/astral-sh/ruff-pre-commit", "v0.11.0", "ruff-format"), "ruff", PYTHON, ("ruff==0.11.0",)),
        (hook("https://github.com/charliermarsh/ruff-pre-commit.git", "v0.2.2", "ruff"), "ruff", PYTHON, ("ruff==0.2.2",)),
        (hook("git@github.com:psf/black", "24.1.0", "black-jupyter"), "black", PYTHON, ("black[jupyter]==24.1.0",)),
        (
            hook("https://github.com/pre-commit/mirrors-mypy/", "v1.8.0", "mypy", "types-requests"),
            "mypy",
            PYTHON,
            ("mypy==1.8.0", "types-requests"),
        ),
        (
            hook("https://github.com/PyCQA/flake8", "6.1.0", "flake8", "flake8-bugbear==24.1"),
            "flake8",
            PYTHON,
            ("flake8==6.1.0", "flake8-bugbear==24.1"),
        ),
        (
            hook("https://github.com/RobertCraigie/pyright-python", "v1.1.350", "pyright"),
            "pyright",
            PYTHON,
            ("pyright==1.1.350",),
        ),
        (hook("https://github.com/pre-commit/mirrors-prettier", "v3.1.0", "prettier"), "prettier", NODE, ("prettier@3.1.0",)),
        (
            hook(
                "https://github.com/pre-commit/mirrors-prettier",
                "v3.1.0",
                "prettier",
                "prettier@2.8.8",
                "prettier-plugin-toml@0.3",
            ),
            "prettier",
            NODE,
            ("prettier@2.8.8", "prettier-plugin-toml@0.3"),
        ),
        (
            hook("https://github.com/biomejs/pre-commit", "v0.6.1", "biome-check", "@biomejs/biome@1.8.3"),
            "@biomejs/biome",
            NODE,
            ("@biomejs/biome@1.8.3",),
        ),
        (hook("local", "", "fmt", "ruff==0.4.1", "x"), "ruff", PYTHON, ("ruff==0.4.1", "x")),
    ],
)
def test_pins(project: Project, package: str, language: Language, requirements: tuple[str, ...]) -> None:
    pin = pin_of(project, package, language)
    assert pin is not None
    assert pin.requirements == requirements
    assert pin.unknown == ""
    assert ".pre-commit-config.yaml" in pin.because


@pytest.mark.parametrize(
    "project",
    [
        hook("https://github.com/astral-sh/ruff-pre-commit", SHA, "ruff"),
        hook("https://github.com/astral-sh/ruff-pre-commit", "main", "ruff"),
    ],
)
def test_a_version_that_cannot_be_known_is_said(project: Project) -> None:
    pin = pin_of(project, "ruff", PYTHON)
    assert pin is not None
    assert pin.requirements == ()
    assert "does not say which version of ruff" in pin.unknown


def test_biome_without_a_version() -> None:
    pin = pin_of(hook("https://github.com/biomejs/pre-commit", "v2.0.0", "biome-check"), "@biomejs/biome", NODE)
    assert pin is not None
    assert pin.unknown


@pytest.mark.parametrize(
    ("project", "package", "language"),
    [
        (hook("https://github.com/evil/ruff-pre-commit", "v0.1.0", "ruff"), "ruff", PYTHON),
        (hook("https://github.com/astral-sh/ruff-pre-commit", "v0.11.0", "ruff"), "black", PYTHON),
        (hook("https://github.com/pre-commit/mirrors-prettier", "v3.1.0", "prettier"), "prettier", PYTHON),
        (hook("local", "", "ruff"), "ruff", PYTHON),
        (hook("", "", "ruff"), "ruff", PYTHON),
        (Project(), "ruff", PYTHON),
        (hook("local", "", "x"), "", PYTHON),
    ],
)
def test_no_pin(project: Project, package: str, language: Language) -> None:
    assert pin_of(project, package, language) is None


def test_an_old_release_comes_with_what_it_still_runs_with() -> None:
    old = pin_of(pinning("ambv/black", "19.10b0"), "black", PYTHON)
    new = pin_of(pinning("psf/black", "22.3.0"), "black", PYTHON)
    assert old is not None
    assert new is not None
    assert (old.requirements, new.requirements) == (("black==19.10b0", "click<8.1"), ("black==22.3.0",))


def pinning(repository: str, rev: str) -> Project:
    return Project(hooks=(Hook(id="black", repository=f"https://github.com/{repository}", rev=rev),))
