"""What a change takes from elsewhere: lock files, install scripts, registries, dependencies that are no releases."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.tampering.files import FilePair, name
from forge_dagster.domain.tampering.signs import Sign, asks, rejects

_LOCKS = re.compile(
    r"(^|/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lock|poetry\.lock|uv\.lock"
    r"|pdm\.lock|Pipfile\.lock"
    r"|pylock[\w.]*\.toml|requirements[\w./-]*\.(txt|lock|in)|constraints[\w.-]*\.txt)$"
)
_URL = re.compile(r"(?<![\w.])((?:git\+)?(?:https?|ssh|git|ftp|file)://[^\s\"'`,)\]}>]+)")
_HOST = re.compile(r"^(?:git\+)?([a-z]+)://(?:[^/@]*@)?([^/:]+)")
_INSTALL = ("preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare", "dependencies")
_RUNS_FOREIGN = re.compile(
    r"\b(curl|wget|fetch|nc|netcat)\b.*(\||&&|;|\$\()|\|\s*(ba|z)?sh\b|\bnode\s+(-e|--eval)\b|\bpython3?\s+-c\b"
    r"|base64\s+(-d|--decode)"
    r"|\beval\b|\benv\b\s*\||printenv|/dev/tcp/|\bnpx?\s+(-y\s+)?https?:"
)
_ELSEWHERE = re.compile(r"^(git|git\+\w+|https?|file|link|portal|npm|github|gitlab|bitbucket):|^[\w-]+/[\w.-]+(#|$)")
_INDEXES = re.compile(
    r"^\s*(-i\b|--index-url|--extra-index-url|--find-links|-f\s|--trusted-host|registry\s*=|@[\w-]+:registry\s*=|index-url\s*=|"
    r"extra-index-url\s*=|npmRegistryServer:|.*:_auth|ignore-scripts\s*=\s*false|unsafe-perm|enableScripts:\s*true"
    r"|strict-ssl\s*=\s*false)"
)
_INDEX_FILES = (
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    "pip.conf",
    "pip.ini",
    "uv.toml",
    "bunfig.toml",
    ".pnpmfile.cjs",
    ".pnp.cjs",
)


def is_lock(path: str) -> bool:
    """Whether a file says which packages are installed, and from where."""
    return _LOCKS.search(path) is not None


def supply_signs(pair: FilePair) -> Iterator[Sign]:
    """Signs in one changed file."""
    if pair.head is None:
        return
    last = name(pair.path)
    if is_lock(pair.path):
        yield from _hosts(pair)
        yield from _contents(pair)
    if last == "package.json":
        yield from _package(pair)
    if last == "pyproject.toml":
        yield from _pyproject(pair)
    if last in _INDEX_FILES or "requirements" in last:
        yield from _indexes(pair)
    if last == "setup.py":
        yield from _setup(pair)


def _hosts(pair: FilePair) -> Iterator[Sign]:
    known = {_host(url) for url in _URL.findall(pair.base or "")}
    told = set()
    for number, line in enumerate((pair.head or "").split("\n"), 1):
        for url in _URL.findall(line[:4_000]):
            host = _host(url)
            foreign = url.startswith(("git+", "git:", "ssh:", "file:", "http:", "ftp:"))
            if host in known or host in told or (not known and not foreign):
                continue
            told.add(host)
            message = f"the lock now takes a package from {host}, which the base's never does"
            yield asks("lock-elsewhere", message, line=number, fix="take it from where the others come from")


def _host(url: str) -> str:
    match = _HOST.match(url)
    return f"{match[1]}://{match[2]}".lower() if match else url


def _contents(pair: FilePair) -> Iterator[Sign]:
    """The same release with other contents: that cannot be, since what is published does not change."""
    old, new = pinned(pair.base, pair.path), pinned(pair.head, pair.path)
    for release, hashes in new.items():
        before = old.get(release, frozenset())
        kinds = {_algorithm(digest) for digest in before} & {_algorithm(digest) for digest in hashes}
        if before and hashes and kinds and not before & hashes:
            message = f"{release} has other contents than on the base, under the same version"
            line = _line_of(pair.head or "", min(hashes))
            yield rejects("lock-contents", message, line=line, fix="lock it anew from the registry")
    scripts = _with_scripts(pair.head, pair.path) - _with_scripts(pair.base, pair.path)
    for package in sorted(scripts):
        yield asks(
            "install-script",
            f"{package} is new and runs a script when it is installed",
            line=_line_of(pair.head or "", package),
        )


def pinned(text: str | None, path: str) -> Mapping[str, frozenset[str]]:
    """Release ("left 1.0.0") -> its hashes, of a lock that is JSON or TOML; nothing for any other."""
    data = _parsed(text, path)
    found: dict[str, frozenset[str]] = {}
    packages = data.get("packages") if path.endswith(".json") else data.get("package", data.get("packages"))
    if isinstance(packages, dict):
        for key, entry in packages.items():
            if isinstance(entry, dict) and isinstance(entry.get("integrity"), str):
                found[f"{str(key).rpartition('node_modules/')[2]} {entry.get('version')}"] = frozenset(
                    entry["integrity"].split()
                )
    elif isinstance(packages, list):
        for entry in packages:
            if isinstance(entry, dict):
                hashes = re.findall(r"(sha\d+:[0-9a-f]{32,})", json.dumps(entry, default=str))
                found[f"{entry.get('name')} {entry.get('version')}"] = frozenset(hashes)
    return found


def _with_scripts(text: str | None, path: str) -> set[str]:
    packages = _parsed(text, path).get("packages") if path.endswith(".json") else None
    if not isinstance(packages, dict):
        return set()
    return {
        str(key).rpartition("node_modules/")[2]
        for key, v in packages.items()
        if isinstance(v, dict) and v.get("hasInstallScript")
    }


def _algorithm(digest: str) -> str:
    return re.split(r"[-:]", digest)[0]


def _package(pair: FilePair) -> Iterator[Sign]:
    old, new = _parsed(pair.base, pair.path), _parsed(pair.head, pair.path)
    text = pair.head or ""
    before, after = _table(old, "scripts"), _table(new, "scripts")
    for script in _INSTALL:
        line = str(after.get(script, ""))
        if not line or line == before.get(script):
            continue
        message = f"the script {script} runs whenever the package is installed: {line[:200]}"
        at = _line_of(text, f'"{script}"')
        if _RUNS_FOREIGN.search(line):
            yield rejects("install-script", message, line=at, fix="do nothing while installing")
        else:
            yield asks("install-script", message, line=at)
    for section in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "resolutions"):
        was = _table(old, section)
        for package, version in _table(new, section).items():
            if (
                was.get(package) != version
                and _ELSEWHERE.search(str(version))
                and not str(version).startswith(("npm:@types", "workspace:"))
            ):
                message = f"{section}: {package} is taken from {str(version)[:200]}"
                yield asks(
                    "dependency-elsewhere", message, line=_line_of(text, f'"{package}"'), fix="depend on a published release"
                )
            elif was.get(package) != version and section in ("overrides", "resolutions"):
                message = f"{section}: {package} is forced to {str(version)[:100]}"
                yield asks("dependency-elsewhere", message, line=_line_of(text, f'"{package}"'))
    for section in ("trustedDependencies", "onlyBuiltDependencies", "pnpm"):
        if new.get(section) and old.get(section) != new.get(section):
            yield asks(
                "install-script", f"{section} is changed: whose install scripts may run", line=_line_of(text, f'"{section}"')
            )


def _pyproject(pair: FilePair) -> Iterator[Sign]:
    old, new = _parsed(pair.base, pair.path), _parsed(pair.head, pair.path)
    text = pair.head or ""
    build = _table(old, "build-system"), _table(new, "build-system")
    for key in ("build-backend", "backend-path"):
        if build[0].get(key) != build[1].get(key) and (pair.base is not None or key == "backend-path"):
            message = f"[build-system] {key} is changed: whose code runs when the project is installed"
            yield asks("install-script", message, line=_line_of(text, key))
    for keys in (("tool", "uv", "index"), ("tool", "uv", "sources"), ("tool", "poetry", "source"), ("tool", "pdm", "source")):
        was, now = _at(old, *keys), _at(new, *keys)
        if now and was != now:
            message = f"[{'.'.join(keys)}] is changed: where packages come from"
            yield asks("dependency-elsewhere", message, line=_line_of(text, ".".join(keys)))
    for path in (("project", "entry-points", "pytest11"), ("tool", "poetry", "plugins", "pytest11")):
        if _at(new, *path) and _at(old, *path) != _at(new, *path):
            yield asks(
                "test-plugin", "the change adds an entry point that pytest loads as a plugin", line=_line_of(text, "pytest11")
            )
    known = set(re.findall(r"@\s*((?:git\+)?\w+://\S+)", pair.base or ""))
    for number, line in enumerate(text.split("\n"), 1):
        match = re.search(r"@\s*((?:git\+)?\w+://[^\s\"']+)", line[:2_000])
        if match is not None and match[1] not in {url.rstrip("\"',") for url in known}:
            yield asks(
                "dependency-elsewhere",
                f"a dependency is taken from {match[1]}",
                line=number,
                fix="depend on a published release",
            )


def _indexes(pair: FilePair) -> Iterator[Sign]:
    known = {line.strip() for line in (pair.base or "").split("\n")}
    for number, line in enumerate((pair.head or "").split("\n"), 1):
        if line.strip() not in known and (_INDEXES.search(line) or name(pair.path) in (".pnpmfile.cjs", ".pnp.cjs")):
            yield asks("dependency-elsewhere", f"packages are taken from elsewhere: {line.strip()[:200]}", line=number)
            if name(pair.path) in (".pnpmfile.cjs", ".pnp.cjs"):
                return


def _setup(pair: FilePair) -> Iterator[Sign]:
    """setup.py is executed when the project is installed."""
    known = {line.strip() for line in (pair.base or "").split("\n")}
    for number, line in enumerate((pair.head or "").split("\n"), 1):
        if line.strip() not in known and re.search(
            r"cmdclass|subprocess|os\.system|urllib|requests|socket|exec\(|eval\(|pytest11", line
        ):
            yield asks("install-script", f"this runs when the project is installed: {line.strip()[:200]}", line=number)


def _parsed(text: str | None, path: str) -> dict[str, Any]:
    try:
        if path.endswith(".json"):
            data = json.loads(text or "{}")
        elif path.endswith((".toml", ".lock")) and not path.endswith(("yarn.lock", "bun.lock")):
            data = tomllib.loads(text or "")
        else:
            return {}
    except (ValueError, RecursionError, MemoryError):
        return {}
    return data if isinstance(data, dict) else {}


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _line_of(text: str, word: str) -> int | None:
    at = text.find(word) if word else -1
    return None if at < 0 else text.count("\n", 0, at) + 1
