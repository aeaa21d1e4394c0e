"""Configuration that demands less than the base's: rules switched off, exclusions, thresholds, tests left out."""

import re
from collections.abc import Iterator

from forge_dagster.domain.globs import matches
from forge_dagster.domain.tampering.files import FilePair
from forge_dagster.domain.tampering.python_source import Unreadable
from forge_dagster.domain.tampering.settings_text import Settings, Value, read_settings
from forge_dagster.domain.tampering.signs import Sign, asks, rejects

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

_NOT_OF_TOOLS = re.compile(
    r"^tool\.(poetry|hatch|uv|setuptools|pdm|flit|commitizen|semantic_release|bumpversion|towncrier|cibuildwheel|black|isort)\b"
    r"|^(project|build-system|dependency-groups|metadata|options|bumpversion|bdist_wheel|egg_info)\b"
)
_OF_PACKAGE = re.compile(r"^(jest|mocha|ava|tap|nyc|c8|vitest|eslintConfig|xo|standard|stryker)\b")
_GROWN = re.compile(
    r"(ignore|exclude|omit|disable|skip|deselect|suppress|allow|baseline|whitelist|unfixable|norecursedirs)", re.IGNORECASE
)
_SHRUNK = re.compile(
    r"(^|\.)(extend-)?select$|enable|(^|\.)(testpaths|python_files|python_functions|python_classes|testMatch"
    r"|testRegex|include|files|plugins"
    r"|roots|projects|spec|extends|collectCoverageFrom|source|extend-safe-fixes|checks|contracts)$|extends",
    re.IGNORECASE,
)
_DEMANDS = re.compile(
    r"strict|disallow|warn_|check_|no_implicit|noImplicit|noUnused|noUnchecked|noFallthrough|noProperty"
    r"|exactOptional|(^|\.)branch$"
    r"|(^|\.)enabled$|recommended|forbidOnly|failOnConsole|\.all$|perFile|useUnknownInCatch|alwaysStrict|checkJs|extra_checks",
    re.IGNORECASE,
)
_FORGIVES = re.compile(
    r"ignore_errors|ignore_missing|ignore-missing|skipLibCheck|allow_|allow[A-Z]|passWithNoTests|exit-zero"
    r"|follow_imports|dangerously"
    r"|(^|\.)bail$|isolate$|skip_|skip[A-Z]|suppress",
)
_LEAST = re.compile(
    r"fail_under|fail-under|threshold|(^|\.)(lines|branches|functions|statements|minimum|min|break|high|low|target"
    r"|check-coverage)$",
    re.IGNORECASE,
)
_MOST = re.compile(r"max[-_]?\w*|complexity|warnings$|retries$|retry$|tolerance", re.IGNORECASE)
_NO_LIMIT = re.compile(
    r"line-length|max-line-length|max_line_length|printWidth|lineWidth|workers|timeout|max-width|concurrency", re.I
)
_TESTS = re.compile(
    r"addopts|testpaths|norecursedirs|python_files|python_functions|python_classes|testPathIgnore|testMatch"
    r"|testRegex|(^|\.)test\.(exclude"
    r"|include)|collect_ignore|(^|\.)(spec|grep|fgrep|retries|roots|projects|testIgnore|testDir|modulePathIgnore)"
    r"|xfail_strict|\.alias|usedefault",
)
_COVERAGE = re.compile(
    r"coverage|omit|fail_under|exclude_lines|exclude_also|threshold|nyc|c8|codecov|(^|\.)(run|report)\.", re.I
)
_LEVELS = {
    **dict.fromkeys(("off", "0", "0.0", "none", "false", "allow"), 0),
    **dict.fromkeys(("information", "info", "warn", "warning", "1", "1.0"), 1),
    **dict.fromkeys(("error", "2", "2.0", "deny", "true"), 2),
}
"""How much a rule weighs, in the words of eslint, biome, oxlint and pyright."""
_OPTIONS = re.compile(
    r"^(-k|-m|--ignore(-glob)?|--deselect|--co|--collect-only|-p|--no-cov|--lf|--last-failed|--sw|--reruns|-x"
    r"|--exitfirst|--maxfail|--pdb"
    r"|--noconftest|-n0|--disable-warnings|-W|--cov-fail-under|--confcutdir|--rootdir|--override-ini|-o|--pyargs"
    r"|--setup-plan|--setup-only"
    r"|--fixtures|--version|--help|-h)(=|$|\w)"
)
_HARMLESS = re.compile(r"^(-n0|--disable-warnings|-x|--exitfirst|--maxfail|-W|--pdb|--rootdir|--confcutdir|-n)")
_NO_RUN = re.compile(r"^(--co|--collect-only|--setup-plan|--setup-only|--fixtures|--version|--help|-h)$")
_ADAPTED = "say in the pull request why less is to be demanded"


def is_configuration(path: str) -> bool:
    """Whether tools are told by this file what to demand."""
    return any(matches(path, pattern, ignore_case=True) for pattern in CONFIGURATION)


def loosening_signs(pair: FilePair) -> Iterator[Sign]:
    """Where the head's version of a configuration demands less than the base's."""
    if not is_configuration(pair.path) and not is_configuration(pair.before):
        return
    try:
        old = _relevant(read_settings(pair.base, pair.before), pair.before) if pair.base is not None else {}
        new = _relevant(read_settings(pair.head, pair.path), pair.path) if pair.head is not None else {}
    except Unreadable as error:
        yield asks("unexaminable", f"this configuration cannot be compared with the base's: {error}")
        return
    if pair.head is None and old:
        yield asks("loosened-configuration", "the configuration that the base has is gone", fix=_ADAPTED)
        return
    text = pair.head or ""
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before != after:
            yield from _changed(key, before, after, text, new_file=pair.base is None)


def _relevant(settings: Settings, path: str) -> Settings:
    if path.endswith("package.json"):
        return {key: value for key, value in settings.items() if _OF_PACKAGE.match(key)}
    return {key: value for key, value in settings.items() if not _NOT_OF_TOOLS.match(key)}


def _changed(key: str, before: Value | None, after: Value | None, text: str, *, new_file: bool) -> Iterator[Sign]:
    if re.search(r"(^|\.)addopts$", key):
        yield from _options(key, _words(before), _words(after), text)
        return
    told = _looser(key, before, after)
    if told is None or (new_file and not _GROWN.search(key)):
        return
    rule = (
        "test-selection" if _TESTS.search(key) else "coverage-loosened" if _COVERAGE.search(key) else "loosened-configuration"
    )
    message = f"{key} demands less than on the base: {told}"
    yield asks(rule, message, line=_line(text, key, told), fix=_ADAPTED)


def _looser(key: str, before: Value | None, after: Value | None) -> str | None:
    """In which way a setting demands less than it did; None: it does not."""
    level = _of_levels(before), _of_levels(after)
    if None not in level and ("rules" in key or "report" in key or "severity" in key.lower()):
        return f"{_told(before)} -> {_told(after)}" if level[1] < level[0] else None  # type: ignore[operator]
    if ".rules." in key and level[1] == 0 and before is None:
        return f"{_told(after)}"
    if isinstance(before, (bool, type(None))) and isinstance(after, (bool, type(None))):
        lost = before is True and after is not True and _DEMANDS.search(key) and not _FORGIVES.search(key)
        forgiven = after is True and _FORGIVES.search(key)
        opened = after is False and before is None and _DEMANDS.search(key) and not _FORGIVES.search(key)
        return f"{_told(before)} -> {_told(after)}" if lost or forgiven or opened else None
    if _is_number(before) or _is_number(after):
        return _number(key, before, after)
    return _listed(key, _words(before), _words(after), before, after)


def _listed(key: str, old: tuple[str, ...], new: tuple[str, ...], before: Value | None, after: Value | None) -> str | None:
    gained, lost = [w for w in new if w not in old], [w for w in old if w not in new]
    if gained and _GROWN.search(key):
        return f"added {', '.join(gained[:5])}"
    if gained and any(word.startswith("!") for word in gained):
        return f"added {', '.join(gained[:5])}"
    if lost and _SHRUNK.search(key) and (after is not None or before is not None):
        return f"without {', '.join(lost[:5])}" + (f", now {', '.join(gained[:3])}" if gained else "")
    if key.endswith(("follow_imports", "typeCheckingMode", "grep", "fgrep", "testNamePattern")) and gained:
        return f"{_told(before)} -> {_told(after)}"
    return None


def _number(key: str, before: Value | None, after: Value | None) -> str | None:
    old = before if _is_number(before) else None
    new = after if _is_number(after) else None
    told = f"{_told(before)} -> {_told(after)}"
    if _NO_LIMIT.search(key):
        return None
    if _LEAST.search(key) and old is not None and (new is None or new < old):  # type: ignore[operator]
        return told
    raised = _MOST.search(key) and not _LEAST.search(key)
    return told if raised and old is not None and (new is None or new > old) else None  # type: ignore[operator]


def _options(key: str, old: tuple[str, ...], new: tuple[str, ...], text: str) -> Iterator[Sign]:
    """Options of pytest that every run gets (docs.pytest.org, "Command-line Flags")."""
    before, after = [" ".join(old).split(), " ".join(new).split()]
    for word in after:
        if word in before or not _OPTIONS.match(word) or _HARMLESS.match(word):
            continue
        message = f"{key} now has {word}, so that pytest runs other tests, or judges them otherwise"
        line = _line(text, key, word)
        if _NO_RUN.match(word):
            yield rejects("test-selection", f"{key} now has {word}: no test is executed", line=line, fix="remove the option")
        else:
            yield asks("test-selection", message, key=f"{key} {word}", line=line, fix=_ADAPTED)
    lost = [word for word in before if word not in after and word.startswith(("--strict", "--cov-fail-under"))]
    kept = [word for word in after if word.startswith("--cov-fail-under")]
    for word in lost:
        message = f"{key} demands less than on the base: {word} -> {', '.join(kept) or 'nothing'}"
        yield asks(
            "coverage-loosened" if "cov" in word else "test-selection", message, line=_line(text, key, word), fix=_ADAPTED
        )


def _of_levels(value: Value | None) -> int | None:
    word = value[0] if isinstance(value, tuple) and value else value
    return None if isinstance(word, tuple) or word is None else _LEVELS.get(str(word).lower())


def _is_number(value: Value | None) -> bool:
    return isinstance(value, float) and not isinstance(value, bool)


def _words(value: Value | None) -> tuple[str, ...]:
    if value is None or isinstance(value, bool):
        return ()
    return value if isinstance(value, tuple) else (str(value),)


def _told(value: Value | None) -> str:
    if value is None:
        return "not set"
    return ", ".join(value[:5]) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def _line(text: str, key: str, told: str) -> int | None:
    """The line where the setting is, as well as a text tells: that of its last name, or of the value that was added."""
    last = key.rpartition(".")[2]
    words = [told.removeprefix("added ").partition(",")[0], last]
    for word in words:
        at = text.find(word) if word else -1
        if at >= 0:
            return text.count("\n", 0, at) + 1
    return None
