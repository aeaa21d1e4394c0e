"""Envoy's configuration and statistics as values."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.releases import cluster_name
from forge_dagster.platforms.envoy_config import (
    LATENCY_BUCKETS_MS,
    RoutedEnvironment,
    RunningRelease,
    bootstrap,
    clusters,
    listeners,
    routes,
)
from forge_dagster.signals.envoy import parse_traffic


def release(name: str, port: int | None = 9000) -> RunningRelease:
    return RunningRelease(name=name, port=port, health="/health", artifact="", digest="", folder="", program="")


def environment(**weights: int) -> RoutedEnvironment:
    return RoutedEnvironment(
        environment="a/b/production", port=8000, releases=tuple(release(name) for name in weights), weights=weights
    )


def test_weights_are_in_the_last_route_and_every_release_has_its_header() -> None:
    made = routes(environment(old=95, new=5, idle=0))
    *named, rest = made["virtual_hosts"][0]["routes"]
    split = {entry["name"]: entry["weight"] for entry in rest["route"]["weighted_clusters"]["clusters"]}
    assert split == {cluster_name("a/b/production", "old"): 95, cluster_name("a/b/production", "new"): 5}
    assert [route["match"]["headers"][0]["string_match"]["exact"] for route in named] == ["old", "new", "idle"]


def test_without_weights_the_answer_is_503() -> None:
    rest = routes(environment(old=0))["virtual_hosts"][0]["routes"][-1]
    assert rest["direct_response"]["status"] == 503


def test_workers_have_no_cluster() -> None:
    routed = RoutedEnvironment(environment="a/b/c", port=1, releases=(release("w", None),), weights={"w": 100})
    assert clusters({"x": routed}) == []
    assert "direct_response" in routes(routed)["virtual_hosts"][0]["routes"][-1]


def test_everything_is_on_loopback_and_the_admin_on_a_socket() -> None:
    routed = {"x": environment(old=100)}
    text = json.dumps([clusters(routed), listeners(routed, folder="/f"), bootstrap(folder="/f", admin_socket="/f/s")])
    assert text.count('"address": "127.0.0.1"') == 2
    assert "0.0.0.0" not in text
    assert bootstrap(folder="/f", admin_socket="/f/s")["admin"]["address"] == {"pipe": {"path": "/f/s", "mode": 0o600}}


def test_buckets_rise_and_are_fine() -> None:
    steps = [after / before for before, after in itertools.pairwise(LATENCY_BUCKETS_MS)]
    assert all(1 < step <= 1.34 for step in steps)


def test_traffic_is_read_and_another_cluster_is_not() -> None:
    name = cluster_name("e", "r")
    stats = [
        {"name": f"cluster.{name}.upstream_rq_total", "value": 9},
        {"name": f"cluster.{name}.upstream_rq_completed", "value": 8},
        {"name": f"cluster.{name}.upstream_rq_5xx", "value": 2},
        {"histograms": [{"name": f"cluster.{name}.upstream_rq_time", "buckets": [{"upper_bound": 5, "cumulative": 7}]}]},
    ]
    traffic = parse_traffic(json.dumps({"stats": stats}), name)
    assert traffic is not None
    assert (traffic.requests, traffic.errors, traffic.latency) == (8, 2, ((5.0, 7),))
    assert parse_traffic(json.dumps({"stats": stats}), cluster_name("e", "s")) is None


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_anything_else_is_no_telemetry(value: object) -> None:
    assert parse_traffic(json.dumps({"stats": value}), "c") is None
    assert parse_traffic(json.dumps(value), "c") is None
    assert parse_traffic("{", "c") is None
