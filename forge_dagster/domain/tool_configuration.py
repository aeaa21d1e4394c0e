"""Which files of a repository tell its tools what to demand."""

from forge_dagster.domain.globs import matches

CONFIGURATION = (
    "**/pyproject.toml", "**/setup.cfg", "**/tox.ini", "**/pytest.ini", "**/.pytest.ini", "**/pytest.toml", "**/.pytest.toml",
    "**/.coveragerc", "**/ruff.toml", "**/.ruff.toml", "**/mypy.ini", "**/.mypy.ini", "**/.flake8", "**/.pylintrc",
    "**/pyrightconfig.json", "**/tsconfig*.json", "**/jsconfig.json", "**/.eslintrc*", "**/eslint.config.*", "**/biome.json*",
    "**/.biome.json*", "**/.oxlintrc*", "**/oxlint.config.*", "**/vitest.config.*", "**/vitest.workspace.*",
    "**/vite.config.*", "**/jest.config.*", "**/.mocharc*", "**/.nycrc*", "**/.c8rc*", "**/.taprc", "**/ava.config.*",
    "**/package.json", "**/codecov.y*ml", "**/.codecov.y*ml", "**/stryker.c*", "**/stryker.conf.*", "**/.stryker*",
    "**/.pre-commit-config.yaml", "**/.bandit", "**/bandit.y*ml", "**/.importlinter", "**/tach.toml",
    "**/.dependency-cruiser.*", "**/playwright.config.*", "**/.prettierrc*", "**/prettier.config.*", "**/.oxfmtrc*",
)  # fmt: skip
"""Files by which tools are told what to demand."""


def is_configuration(path: str) -> bool:
    """Whether tools are told by this file what to demand."""
    return any(matches(path, pattern, ignore_case=True) for pattern in CONFIGURATION)
