"""Reading the lock files of npm, pnpm and yarn: hostile text in, components out, with the lines that name them.

pnpm's and yarn's are YAML (or nearly so) as these programs write it, one key in a line; they are read by their indentation,
which takes time in proportion to their size whatever they hold, and tells the lines.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.sbom import Component, Ecosystem, Lock, component

_KEY = re.compile(
    r"""^(?P<indent> *)(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s:"'#][^:"']*?(?::[^\s"':][^:"']*?)*):"""
    r"(?: +(?P<value>.*))?$"
)
_DEPTH = 60
_DECLARING = ("dependencies", "devDependencies", "optionalDependencies")
_JSON_KEY = re.compile(r'^\s*"((?:[^"\\]|\\.){1,1000})": *\{')
_PNPM_5 = re.compile(r"/((?:@[^/@]+/)?[^/@]+)/([^/_(]+)")
_NPM = Ecosystem.NPM


class LockUnreadable(ValueError):
    """The lock is not what it should be; the message says why."""


# --- npm ---------------------------------------------------------------------------------------------------------------


def read_package_lock(text: str, file: str) -> Lock:
    """package-lock.json or npm-shrinkwrap.json of any version. Raises LockUnreadable, ValueError, RecursionError."""
    data = load_json(text)
    if not isinstance(data, dict):
        raise LockUnreadable("it is not an object")
    lines = _json_lines(text)
    packages = data.get("packages")
    if isinstance(packages, dict):
        return Lock(components=tuple(_packages(packages, lines, file)))
    if data.get("lockfileVersion") in (2, 3):
        raise LockUnreadable('it has no "packages"')
    dependencies = data.get("dependencies")
    if dependencies is not None and not isinstance(dependencies, dict):
        raise LockUnreadable('its "dependencies" are no object')
    return Lock(components=tuple(_nested(dependencies or {}, lines, file, 0)))


def _json_lines(text: str) -> dict[str, int]:
    """The line of each key that begins an object; of several equal ones the first."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _JSON_KEY.match(line)
        if match is not None:
            lines.setdefault(match[1], number)
    return lines


def _packages(packages: Mapping[str, Any], lines: Mapping[str, int], file: str) -> Iterator[Component]:
    own = {path: entry for path, entry in packages.items() if "node_modules/" not in f"{path}/" and isinstance(entry, dict)}
    named = {(path, name) for path, entry in own.items() for name in _declared(entry)}
    for path, entry in packages.items():
        if not isinstance(entry, dict):
            raise LockUnreadable(f"{path[:80]!r} is no object")
        if path in own or entry.get("link") is True or _is_absent(entry):
            continue
        folder, _, installed = path.rpartition("node_modules/")
        above = folder.rstrip("/")
        direct = (above, installed) in named or (above == "" and any(name == installed for _, name in named))
        yield component(
            _NPM,
            entry.get("name") or installed,
            _version(entry, path),
            file=file,
            line=lines.get(path),
            direct=direct,
            development=entry.get("dev") is True,
        )


def _is_absent(entry: Mapping[str, Any]) -> bool:
    """Whether it stands for an optional package that npm did not install."""
    return "version" not in entry and "resolved" not in entry and bool(entry.get("optional") or entry.get("peer"))


def _declared(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
        names = entry.get(key)
        yield from names if isinstance(names, dict) else ()


def _version(entry: Mapping[str, Any], where: str) -> str:
    version = entry.get("version")
    if not isinstance(version, str) or not version:
        raise LockUnreadable(f"{where[:80]!r} has no version")
    return version


def _nested(dependencies: Mapping[str, Any], lines: Mapping[str, int], file: str, depth: int) -> Iterator[Component]:
    if depth > _DEPTH:
        raise LockUnreadable("it is nested too deeply")
    for name, entry in dependencies.items():
        if not isinstance(entry, dict):
            raise LockUnreadable(f"{name[:80]!r} is no object")
        version = _version(entry, name)
        if not version.startswith(("file:", "link:")):
            real, version = _alias(name, version)
            dev = entry.get("dev") is True
            yield component(_NPM, real, _of_git(version), file=file, line=lines.get(name), development=dev)
        inner = entry.get("dependencies")
        yield from _nested(inner if isinstance(inner, dict) else {}, lines, file, depth + 1)


def _alias(name: str, version: str) -> tuple[str, str]:
    """(Name, version) behind "npm:name@version"."""
    if not version.startswith("npm:"):
        return name, version
    real, _, plain = version.removeprefix("npm:").rpartition("@")
    return (real, plain) if real else (name, version)


def _of_git(version: str) -> str:
    """An address as it stands for a version: nothing to compare, so that every advisory of the package counts."""
    return version[:200]


# --- pnpm --------------------------------------------------------------------------------------------------------------


def outline(text: str) -> Iterator[tuple[int, int, str, str]]:
    """(Line, indentation, key, value) of each line "key: value". A long key that YAML writes as "? key" is one too."""
    for number, line in enumerate(text.splitlines(), 1):
        shown = line.rstrip()
        if shown.lstrip().startswith("? "):
            indent = len(shown) - len(shown.lstrip())
            yield number, indent, _plain(shown.lstrip()[2:].strip()), ""
            continue
        if shown.lstrip().startswith(": "):
            shown = shown.replace(": ", "  ", 1)
        match = _KEY.match(shown) if len(shown) <= 20_000 else None
        if match is not None:
            yield number, len(match["indent"]), _plain(match["key"]), (match["value"] or "").strip()


def _plain(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"')
    return text


def read_pnpm_lock(text: str, file: str) -> Lock:
    """pnpm-lock.yaml, versions 5 to 9. Raises LockUnreadable, ValueError."""
    section, group, importers = "", "", False
    version = ""
    direct: set[str] = set()
    found: list[tuple[int, str]] = []
    development: set[str] = set()
    for number, indent, key, value in outline(text):
        if indent == 0:
            section, group = key, key
            version = _plain(value) if key == "lockfileVersion" else version
            importers = importers or key == "importers"
        elif section == "packages" and indent == 2:
            found.append((number, key))
        elif section == "packages" and indent == 4 and key == "dev" and value == "true" and found:
            development.add(found[-1][1])
        elif section == "importers" and indent == 4:
            group = key
        elif group in _DECLARING and indent == (6 if section == "importers" else 2):
            direct.add(key)
    if not version:
        raise LockUnreadable("it does not say its version")
    if direct and not found:
        raise LockUnreadable("it lists no packages")
    shipped = _reachable(text) if version.startswith("9") else None
    components = []
    for number, key in found:
        name, plain = _pnpm_key(key)
        if plain.startswith(("file:", "link:")) or key.startswith("file:"):
            continue
        dev = key in development if shipped is None else f"{name}@{plain}" not in shipped
        components.append(component(_NPM, name, plain, file=file, line=number, direct=name in direct, development=dev))
    return Lock(components=tuple(components))


def _pnpm_key(key: str) -> tuple[str, str]:
    """(Name, version) of "/name/1.0.0_peer", "/name@1.0.0(peer@1)" or "name@1.0.0"."""
    old = _PNPM_5.match(key)
    if old is not None:
        return old[1], old[2]
    plain = key.removeprefix("/").partition("(")[0]
    at = plain.find("@", 1)
    if at <= 0:
        raise LockUnreadable(f"{key[:80]!r} is no package")
    return plain[:at], plain[at + 1 :]


def _reachable(text: str) -> frozenset[str]:
    """ "name@version" of all that ships, by what the importers and the snapshots of a lock of version 9 require."""
    roots: set[str] = set()
    needs: dict[str, set[str]] = {}
    section, group, package, own = "", "", "", ""
    for _number, indent, key, value in outline(text):
        if indent == 0:
            section = key
        elif section == "importers":
            group = key if indent == 4 else group
            package = key if indent == 6 else package
            if indent == 8 and key == "version" and group != "devDependencies":
                roots.add(_snapshot(package, _plain(value)))
        elif section == "snapshots" and indent == 2:
            own = key.partition("(")[0]
            needs.setdefault(own, set())
        elif section == "snapshots" and indent == 4:
            group = key
        elif section == "snapshots" and indent == 6 and group in ("dependencies", "optionalDependencies"):
            needs[own].add(_snapshot(key, _plain(value)))
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += needs.get(one, ())
    return frozenset(seen)


def _snapshot(name: str, version: str) -> str:
    plain = version.partition("(")[0]
    return plain if plain.find("@", 1) > 0 else f"{name}@{plain}"


# --- yarn --------------------------------------------------------------------------------------------------------------


def read_yarn_lock(text: str, file: str) -> Lock:
    """yarn.lock of yarn 1 and of berry; it does not tell what is direct or for development. Raises ValueError."""
    if text.lstrip().startswith("{"):
        raise LockUnreadable("it is no lock of yarn")
    components: list[Component] = []
    entry: tuple[int, str, bool] | None = None
    entries = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            if entry is not None and entry[2]:
                raise LockUnreadable(f"line {entry[0]} names a package without a version")
            key = line.rstrip().removeprefix("? ").removesuffix(":")
            entry = None if key == "__metadata" else (number, key, True)
            entries += entry is not None
            continue
        match = re.match(r'^  (?:version:? )"?([^"\s]{1,300})"?\s*$', line)
        if match is None or entry is None or not entry[2]:
            continue
        name, local = _yarn_name(entry[1])
        if not local:
            components.append(component(_NPM, name, match[1], file=file, line=entry[0]))
        entry = (entry[0], entry[1], False)
    if entry is not None and entry[2]:
        raise LockUnreadable(f"line {entry[0]} names a package without a version")
    if not entries and "__metadata" not in text and "# yarn lockfile" not in text:
        raise LockUnreadable("it is no lock of yarn")
    return Lock(components=tuple(components))


def _yarn_name(key: str) -> tuple[str, bool]:
    """(Name of the package, whether it is the repository's own) of `"a@^1", a@~1.2` or `"a@npm:^1, a@npm:1"`."""
    first = key.strip().strip('"').split(",")[0].strip().strip('"')
    at = first.find("@", 1)
    if at <= 0:
        raise LockUnreadable(f"{key[:80]!r} is no package")
    name, wanted = first[:at], first[at + 1 :]
    local = wanted.startswith(("workspace:", "link:", "portal:", "file:"))
    if wanted.startswith("npm:"):
        inner = wanted.removeprefix("npm:")
        real = inner[: inner.find("@", 1)] if inner.find("@", 1) > 0 else ""
        return (real or name), local
    return name, local
