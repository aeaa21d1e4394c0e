"""Totals per release from Envoy's own statistics: each release is one cluster, so nothing is sampled or guessed."""

import json
from pathlib import Path
from typing import Any

from forge_dagster.domain.releases import cluster_name
from forge_dagster.ports import Traffic


class EnvoySignals:
    """Signals of the local platform, read from the admin interface of the Envoy in `home`."""

    def __init__(self, *, home: Path) -> None:
        self._folder = home.absolute() / "envoy"
        self._client: Any = None
        self._client_socket = ""

    def traffic(self, *, environment: str, release: str) -> Traffic | None:
        """Totals since Envoy started, or None: no Envoy, no such release there."""
        cluster = cluster_name(environment, release)
        wanted = f"^cluster\\.{cluster}\\.(upstream_rq_total|upstream_rq_completed|upstream_rq_5xx|upstream_rq_time)$"
        text = self._get(f"/stats?format=json&histogram_buckets=cumulative&filter={wanted}")
        return None if text is None else parse_traffic(text, cluster)

    def _get(self, target: str) -> str | None:
        import httpx

        try:
            socket_path = (self._folder / "admin").read_text()
            if self._client is None or self._client_socket != socket_path:
                transport = httpx.HTTPTransport(uds=socket_path, verify=False)
                self._client = httpx.Client(transport=transport, base_url="http://envoy", timeout=5.0)
                self._client_socket = socket_path
            answer = self._client.get(target)
        except (OSError, httpx.HTTPError):
            return None
        return str(answer.text) if answer.status_code == 200 else None


def parse_traffic(text: str, cluster: str) -> Traffic | None:
    """Read Envoy's `/stats?format=json&histogram_buckets=cumulative`; None when `cluster` is not in it or it cannot be read."""
    try:
        entries = json.loads(text)["stats"]
        values = {entry["name"]: int(entry["value"]) for entry in entries if "value" in entry}
        histograms = {h["name"]: h["buckets"] for entry in entries for h in entry.get("histograms", ())}
        buckets = histograms.get(f"cluster.{cluster}.upstream_rq_time", ())
        latency = tuple((float(bucket["upper_bound"]), int(bucket["cumulative"])) for bucket in buckets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if f"cluster.{cluster}.upstream_rq_total" not in values:
        return None  # it is there from the start; the others appear with the first answer
    return Traffic(
        requests=values.get(f"cluster.{cluster}.upstream_rq_completed", 0),
        errors=values.get(f"cluster.{cluster}.upstream_rq_5xx", 0),
        latency=latency,
    )
