"""What to do where bubblewrap may not make namespaces, by its words and the kernel's switches; the switches are made up."""

from pathlib import Path

import pytest

from forge_dagster.workspace.sandbox.namespaces import how_to_allow

DEBIAN = (
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user namespaces."
)
FULL = "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
UBUNTU = ("bwrap: setting up uid map: Permission denied", "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted")


def machine(folder: Path, **switches: str) -> Path:
    for name, value in {"user.max_user_namespaces": "15000", **switches}.items():
        file = folder / name.replace(".", "/")
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{value}\n")
    return folder


@pytest.mark.parametrize(
    ("switch", "value", "said", "line"),
    [
        ("kernel.unprivileged_userns_clone", "0", DEBIAN, "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user.max_user_namespaces", "0", FULL, "sysctl -w user.max_user_namespaces=15000"),
        ("user.max_net_namespaces", "0", FULL, "sysctl -w user.max_net_namespaces=15000"),
        *(
            ("kernel.apparmor_restrict_unprivileged_userns", "1", said, "give bwrap a profile that may (docs/sandbox.md)")
            for said in UBUNTU
        ),
    ],
)
def test_the_switch_that_refuses_is_named(tmp_path: Path, switch: str, value: str, said: str, line: str) -> None:
    advice = how_to_allow(said, system=machine(tmp_path, **{switch: value}))
    assert advice is not None
    assert line in advice


def test_no_switch_is_named_that_stands_right(tmp_path: Path) -> None:
    switches = {"kernel.unprivileged_userns_clone": "1", "kernel.apparmor_restrict_unprivileged_userns": "0"}
    advice = how_to_allow(DEBIAN, system=machine(tmp_path, **switches))
    assert advice is not None
    assert "sysctl" not in advice
    assert "[sandbox] in settings.toml" in advice


def test_other_words_have_other_reasons(tmp_path: Path) -> None:
    assert how_to_allow("bwrap: Can't find source path /x: No such file or directory", system=machine(tmp_path)) is None


def test_a_refusal_with_many_reasons_is_this_one_only_where_a_switch_stands_so(tmp_path: Path) -> None:
    said = "bwrap: Can't bind mount /oldroot/x on /newroot/x: Permission denied"
    assert how_to_allow(said, system=machine(tmp_path)) is None
    closed = how_to_allow(said, system=machine(tmp_path, **{"kernel.apparmor_restrict_unprivileged_userns": "1"}))
    assert closed is not None
    assert "AppArmor" in closed
