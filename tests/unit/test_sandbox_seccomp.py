"""The filter of system calls that Forge gives Podman: what Podman's own allows, but for user namespaces."""

import json
from typing import Any

import pytest

from forge_dagster.workspace.sandbox.seccomp import without_user_namespaces

_NEW_USER, _THREAD, _NEW_NET = 0x10000000, 0x00010000, 0x40000000
PODMANS: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "syscalls": [
        {"names": ["read", "clone", "clone3", "unshare"], "action": "SCMP_ACT_ALLOW", "args": []},
        {"names": ["clone3"], "action": "SCMP_ACT_ALLOW", "args": []},
    ],
}


def answer(profile: dict[str, Any], call: str, flags: int = 0) -> str | int:
    """What the kernel does: the only rule that matches, else the default."""
    given = [
        rule
        for rule in profile["syscalls"]
        if call in rule["names"] and all(flags & one["value"] == one["valueTwo"] for one in rule["args"])
    ]
    assert len(given) <= 1, "two rules for one call"
    rule = given[0] if given else {"action": profile["defaultAction"], "errnoRet": profile.get("defaultErrnoRet")}
    return "allowed" if rule["action"] == "SCMP_ACT_ALLOW" else rule["errnoRet"]


@pytest.mark.parametrize("given", [PODMANS, None])
def test_a_user_namespace_is_refused_and_all_else_stays(given: dict[str, Any] | None) -> None:
    profile = json.loads(without_user_namespaces(None if given is None else json.dumps(given)))
    for call in ("clone", "unshare"):
        assert answer(profile, call, _NEW_USER | _NEW_NET) == 1
        assert answer(profile, call, _THREAD) == "allowed"
    assert answer(profile, "clone3") == 38, "the C library then uses clone"
    assert answer(profile, "read") == "allowed"
    assert answer(profile, "bpf") == (38 if given else "allowed")
