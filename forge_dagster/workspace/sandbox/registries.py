"""The hosts that an installation may reach: those of the package indexes and registries that this machine is configured for."""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_PIP = Path("pip/_internal/models/index.py")
"""Where pip keeps the index that everybody uses unless told otherwise, and the host of its files."""
_VARIABLES = re.compile(
    r"PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS)|UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS)"
    r"|(npm_config|NPM_CONFIG)_(registry|REGISTRY)|COREPACK_NPM_REGISTRY|YARN_NPM_REGISTRY_SERVER"
)
_ADDRESS = re.compile(r"https?://[^\s\"',=<>]+")
_FILES = (
    "/etc/pip.conf",
    "/etc/npmrc",
    "/etc/uv/uv.toml",
    "~/.npmrc",
    "~/.pip/pip.conf",
    "~/.config/pip/pip.conf",
    "~/.config/uv/uv.toml",
)
_LIMIT_S = 20.0


def registry_hosts(environment: Mapping[str, str], more: Iterable[str]) -> tuple[str, ...]:
    """ "host:port" of every registry of this machine, and `more` ("host" means port 443)."""
    found = {*_hosts(_written(environment)), *_hosts(_defaults())}
    found.update(
        name if re.search(r":\d+$", name) else f"{name}:443" for name in (each.strip().lower() for each in more) if name
    )
    return tuple(sorted(found))


def _written(environment: Mapping[str, str]) -> Iterator[str]:
    """Addresses in the environment and in the configuration files of pip, uv and npm."""
    for name, value in environment.items():
        if _VARIABLES.fullmatch(name):
            yield from _ADDRESS.findall(value)
    named = [environment.get(name, "") for name in ("PIP_CONFIG_FILE", "UV_CONFIG_FILE", "NPM_CONFIG_USERCONFIG")]
    for file in (*filter(None, named), *_FILES):
        try:
            lines = Path(file).expanduser().read_text("utf-8", "replace").splitlines()
        except (OSError, RuntimeError):
            continue
        for line in lines:
            if re.search(r"index|registry|find-links|url", line) and "proxy" not in line and not line.lstrip().startswith("#"):
                yield from _ADDRESS.findall(line)


_YARN_DEFAULT = "https://registry.yarnpkg.com"
"""Yarn's own (yarnpkg.com, "npmRegistryServer"), which its lock files name too; it is not on the machine to be asked."""


@functools.cache
def _defaults() -> tuple[str, ...]:
    """What pip and npm use where nothing is configured, by their own word, and what Yarn does."""
    return (*_pip_default(), *_npm_default(), _YARN_DEFAULT)


def _pip_default() -> Iterator[str]:
    for folder in (*sys.path, *_bundled()):
        source = _source(Path(folder))
        if source is None:
            continue
        made = re.search(r"PyPI\s*=\s*PackageIndex\((.*?)\)", source, re.DOTALL)
        for text in re.findall(r"[\"']([^\"']+)[\"']", made[1]) if made else ():
            yield text if "://" in text else f"https://{text}/"
        return


def _source(folder: Path) -> str | None:
    """pip's module, from a folder or from a wheel."""
    try:
        if folder.is_dir():
            return (folder / _PIP).read_text("utf-8")
        if folder.suffix == ".whl":
            import zipfile

            with zipfile.ZipFile(folder) as wheel:
                return wheel.read(str(_PIP)).decode("utf-8")
    except (OSError, KeyError, ValueError):
        pass
    return None


def _bundled() -> Iterator[str]:
    """The pip that Python carries for new environments, in its standard library or where Debian keeps it."""
    for folder in (Path(os.__file__).parent / "ensurepip/_bundled", Path("/usr/share/python-wheels")):
        yield from map(str, sorted(folder.glob("pip-*.whl")))


def _npm_default() -> Iterator[str]:
    npm = shutil.which("npm")
    if npm is None:
        return
    try:
        said = subprocess.run(  # noqa: S603
            [npm, "config", "get", "registry"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    yield from _ADDRESS.findall(said.stdout.decode("utf-8", "replace"))


def _hosts(addresses: Iterable[str]) -> Iterator[str]:
    for address in addresses:
        try:
            parts = urlsplit(address)
            port = parts.port or (80 if parts.scheme == "http" else 443)
        except ValueError:
            continue
        if parts.hostname:
            yield f"{parts.hostname.lower()}:{port}"
