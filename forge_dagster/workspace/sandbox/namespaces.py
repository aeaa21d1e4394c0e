"""What keeps bubblewrap from making namespaces on this machine, and the line that lets it."""

from collections.abc import Iterator
from pathlib import Path

_REFUSALS = (
    "No permissions to creat", "Creating new namespace failed", "uid map", "gid map", "user namespace", "RTM_NEWADDR",
)  # fmt: skip
"""bubblewrap's words where a namespace was refused, or was made without rights in it, as AppArmor does on Ubuntu."""
_PERHAPS = ("Operation not permitted", "Permission denied")
"""What has many reasons; this one where a switch stands so."""
_SYSTEM = Path("/proc/sys")
_NO_SWITCH = (
    "user namespaces are refused to it, as in most containers; [sandbox] in settings.toml can choose containers instead"
)
_APPARMOR = (
    "AppArmor keeps programs from making user namespaces: give bwrap a profile that may (docs/sandbox.md), "
    "or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
)


def how_to_allow(said: str, *, system: Path = _SYSTEM) -> str | None:
    """What to do about a refusal in bubblewrap's words; None where it speaks of something else.

    `system`: the kernel's switches (sysctl(8)).
    """
    lines = "; ".join(_switches(system))
    if any(word in said for word in _REFUSALS):
        return lines or _NO_SWITCH
    return lines if lines and any(word in said for word in _PERHAPS) else None


def _switches(system: Path) -> Iterator[str]:
    """Those that stand so that no user, and root's sandbox is one too, may make what a sandbox needs."""
    if _value(system / "kernel/unprivileged_userns_clone") == "0":
        yield "let users make namespaces: sysctl -w kernel.unprivileged_userns_clone=1"
    for file in sorted((system / "user").glob("max_*_namespaces")):
        if _value(file) == "0":
            yield f"let users make namespaces: sysctl -w user.{file.name}=15000"
    if _value(system / "kernel/apparmor_restrict_unprivileged_userns") == "1":
        yield _APPARMOR


def _value(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""
