"""Whether the parts of a running Forge answer, and Dagster's own API."""

import json
import socket
from typing import TYPE_CHECKING, Any

from forge_dagster.cli.programs import server_url
from forge_dagster.domain.settings import Settings
from forge_dagster.workspace.sockets import CODE_SOCKET, DAGSTER_SOCKET, socket_path

if TYPE_CHECKING:
    import httpx


def answers(name: str, settings: Settings) -> bool:
    """Whether a part is up and does its work."""
    if name == "server":
        return fetch(f"{server_url(settings)}/healthz") is not None
    if name == "code":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(socket_path(settings.home, CODE_SOCKET))) == 0
    if name == "dagster":
        query = "{workspaceOrError{... on Workspace{locationEntries{loadStatus locationOrLoadError{__typename}}}}}"
        entries = _graphql(settings, query).get("workspaceOrError", {}).get("locationEntries", [])
        return bool(entries) and all(
            entry["loadStatus"] == "LOADED" and (entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"
            for entry in entries
        )
    found = _graphql(settings, "{instance{daemonHealth{allDaemonStatuses{required healthy}}}}")
    daemons = found.get("instance", {}).get("daemonHealth", {}).get("allDaemonStatuses", [])
    return bool(daemons) and all(daemon["healthy"] for daemon in daemons if daemon["required"])


def _graphql(settings: Settings, query: str) -> dict[str, Any]:
    import httpx

    try:
        with dagster_client(settings) as client:
            found = client.post("/dagster/graphql", json={"query": query}).json()
    except (httpx.HTTPError, ValueError):
        return {}
    return (found.get("data") or {}) if isinstance(found, dict) else {}


def dagster_client(settings: Settings) -> "httpx.Client":
    """Speaks to Dagster's own web server, past the login: whoever may read Forge's home may do that."""
    import httpx

    transport = httpx.HTTPTransport(uds=str(socket_path(settings.home, DAGSTER_SOCKET)))
    return httpx.Client(transport=transport, base_url="http://dagster", timeout=60)


def fetch(url: str) -> dict[str, Any] | None:
    """A JSON object from a loopback address of ours; None when there is none. No proxy is asked."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            found = json.loads(answer.read() or b"{}")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
