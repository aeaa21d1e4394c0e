"""What a container may not ask of the kernel: a user namespace, where it would be root. Podman's own profile lets it make one.

A namespace opens much of the kernel to a program without rights (mounts, network filters), so bubblewrap's sandbox has none
(`--disable-userns`), and Docker's own profile grants none (docs.docker.com, "Seccomp security profiles for Docker").
"""

import functools
import json
from pathlib import Path
from typing import Any

_PROFILES = (Path("/etc/containers/seccomp.json"), Path("/usr/share/containers/seccomp.json"))
"""Where Podman has its own, the administrator's first (containers.conf(5), "seccomp_profile")."""
_NEW_USER = 0x10000000
"""CLONE_NEWUSER, in the first argument of clone(2) and unshare(2)."""
_BY_FLAGS, _BY_POINTER = ("clone", "unshare"), "clone3"
_NOT_PERMITTED, _NO_SUCH_CALL = 1, 38
"""EPERM; and ENOSYS, after which the C library uses clone: what clone3 is asked for lies where no filter can read it."""


def without_user_namespaces(profile: str | None) -> str:
    """The profile (the format of Docker and Podman) with that refused; None: one that refuses nothing else."""
    found: dict[str, Any] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []} if profile is None else json.loads(profile)
    ruled = {*_BY_FLAGS, _BY_POINTER}
    rules = [{**rule, "names": [name for name in rule["names"] if name not in ruled]} for rule in found["syscalls"]]
    found["syscalls"] = [
        *(rule for rule in rules if rule["names"]),
        _rule(_BY_FLAGS, "SCMP_ACT_ALLOW", of_flag=0),
        _rule(_BY_FLAGS, "SCMP_ACT_ERRNO", of_flag=_NEW_USER, error=_NOT_PERMITTED),
        _rule((_BY_POINTER,), "SCMP_ACT_ERRNO", error=_NO_SUCH_CALL),
    ]
    return json.dumps(found)


@functools.cache
def podman_profile() -> str:
    """What Forge gives Podman. Raises OSError, ValueError where its own cannot be read."""
    own = next((path for path in _PROFILES if path.exists()), None)
    return without_user_namespaces(None if own is None else own.read_text("utf-8"))


def _rule(names: tuple[str, ...], action: str, *, of_flag: int | None = None, error: int | None = None) -> dict[str, Any]:
    masked = {"index": 0, "value": _NEW_USER, "valueTwo": of_flag, "op": "SCMP_CMP_MASKED_EQ"}
    return {
        "names": list(names),
        "action": action,
        "args": [] if of_flag is None else [masked],
        **({} if error is None else {"errnoRet": error}),
    }
