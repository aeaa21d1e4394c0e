"""Envoy's configuration as plain values: a listener per environment, a cluster per release, weights in the route.

Rules and numbers are from Envoy's v3 API (envoyproxy.io/docs/envoy/latest/api-v3), checked against version 1.40.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from forge_dagster.domain.releases import RELEASE_HEADER, cluster_name, slug

_TYPE = "type.googleapis.com/envoy"

LATENCY_BUCKETS_MS = tuple(
    float(base * scale) for scale in (1, 10, 100, 1000, 10_000) for base in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
)
"""Upper bounds of the latency histogram: ten to the decade, so that "3 times p99" is off by a quarter at most."""

REQUEST_LIMIT_S = 30.0
"""After this the caller gets 504, which counts as an error of the release: a release that hangs cannot hide."""

UPSTREAM_IDLE_S = 1.5
"""Idle connections to a release are closed before common servers close theirs (gunicorn 2 s, uvicorn and node 5 s)."""


class RunningRelease(BaseModel):
    """A release as the platform keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    port: int | None
    """None: a worker, which takes no traffic."""
    health: str
    artifact: str
    digest: str
    folder: str
    program: str


class RoutedEnvironment(BaseModel):
    """An environment as the platform keeps it: its public port, its releases, their weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    port: int
    releases: tuple[RunningRelease, ...] = ()
    weights: dict[str, int] = {}

    def release(self, name: str) -> RunningRelease | None:
        """The release called `name`, or None."""
        return next((release for release in self.releases if release.name == name), None)


def bootstrap(*, folder: str, admin_socket: str) -> dict[str, Any]:
    """What Envoy starts with; everything else is read from files in `folder`, again whenever one is replaced."""

    def source(name: str) -> dict[str, Any]:
        return {"path_config_source": {"path": f"{folder}/{name}"}, "resource_api_version": "V3"}

    return {
        "node": {"id": "forge", "cluster": "forge"},
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}, "access_log": []},
        "dynamic_resources": {"cds_config": source("cds.json"), "lds_config": source("lds.json")},
        "stats_flush_on_admin": True,
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_BUCKETS_MS)}],
        },
    }


def clusters(environments: Mapping[str, RoutedEnvironment]) -> list[dict[str, Any]]:
    """One cluster for each release that takes traffic."""
    return [
        _cluster(cluster_name(routed.environment, release.name), release.port, release.health)
        for routed in environments.values()
        for release in routed.releases
        if release.port is not None
    ]


def _cluster(name: str, port: int, health: str) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    protocol = f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "1s",
                # A release without traffic is about to get some: it is looked at as often as the others.
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
                "http_health_check": {"path": health, "expected_statuses": [{"start": 200, "end": 400}]},
            }
        ],
        "typed_extension_protocol_options": {
            protocol.removeprefix("type.googleapis.com/"): {
                "@type": protocol,
                "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_S}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 8192}]},
    }


def listeners(environments: Mapping[str, RoutedEnvironment], *, folder: str) -> list[dict[str, Any]]:
    """One loopback listener per environment, whose routes come from a file of its own (`rds-<slug>.json`)."""
    return [_listener(routed, folder) for routed in environments.values()]


def _listener(routed: RoutedEnvironment, folder: str) -> dict[str, Any]:
    name = slug(routed.environment)
    manager = f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = f"{_TYPE}.extensions.filters.http.router.v3.Router"
    return {
        "@type": f"{_TYPE}.config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": routed.port}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "http",
                        "typed_config": {
                            "@type": manager,
                            "stat_prefix": name,
                            "codec_type": "AUTO",
                            "use_remote_address": True,
                            "normalize_path": True,
                            "server_header_transformation": "PASS_THROUGH",
                            "common_http_protocol_options": {"idle_timeout": "300s"},
                            "rds": {
                                "route_config_name": name,
                                "config_source": {
                                    "path_config_source": {"path": f"{folder}/{routes_file(routed.environment)}"},
                                    "resource_api_version": "V3",
                                },
                            },
                            "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
                        },
                    }
                ]
            }
        ],
    }


def routes_file(environment: str) -> str:
    """Name of the file that holds the routes of `environment`."""
    return f"rds-{slug(environment)}.json"


def routes(routed: RoutedEnvironment) -> dict[str, Any]:
    """The split of the traffic; a release named in the header is reached at any weight."""
    named = [
        {
            "match": {
                "prefix": "/",
                "headers": [{"name": RELEASE_HEADER, "string_match": {"exact": release.name}}],
            },
            "route": _to({"cluster": cluster_name(routed.environment, release.name)}),
        }
        for release in routed.releases
        if release.port is not None
    ]
    split = [
        {"name": cluster_name(routed.environment, release.name), "weight": routed.weights[release.name]}
        for release in routed.releases
        if release.port is not None and routed.weights.get(release.name, 0) > 0
    ]
    answer = {"status": 503, "body": {"inline_string": f"no release of {routed.environment} takes traffic\n"}}
    rest: dict[str, Any] = {"match": {"prefix": "/"}}
    rest |= {"route": _to({"weighted_clusters": {"clusters": split}})} if split else {"direct_response": answer}
    return {
        "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
        "name": slug(routed.environment),
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [*named, rest]}],
    }


def _to(target: dict[str, Any]) -> dict[str, Any]:
    return target | {
        "timeout": f"{REQUEST_LIMIT_S}s",
        # Only what cannot have reached the release is tried again, so a request is never carried out twice.
        "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2},
    }
