"""Holds a mount namespace in which what root owns belongs to the sandbox's user, without a change on disk.

Run by root as `stage.py UID GID`. Each line on stdin names a mount point; the answer is "ok FOLDER" or "no REASON". The folder
shows that file system through an idmapped mount (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12) in which 0 and UID, and 0 and
GID, have changed places: a process that is UID for the kernel may do there what root's own permissions allow, and files that it
makes belong to root. Nobody sees these folders but who enters this namespace, and it is gone when stdin ends.
"""

import ctypes
import os
import sys

STAGE = "/run"
"""Covered by an empty file system, in this namespace only."""
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_RECURSIVE, _SLAVE = 0x4000, 0x80000
_NO_SUID, _NO_DEVICES = 0x2, 0x4
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
"""System calls without a name in the C library of Debian 12; their numbers are the same on every architecture."""
_CLONE_TREE, _IDMAP = 0x1 | 0x80000, 0x00100000
_EMPTY_PATH, _FROM_EMPTY_PATH, _HERE = 0x1000, 0x4, -100
_IDS = 2**32 - 1


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


_library = ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _swapped(number: int) -> str:
    """The lines of uid_map (user_namespaces(7)) in which 0 and `number` change places."""
    lines = [f"0 {number} 1", f"{number} 0 1", f"{number + 1} {number + 1} {_IDS - number - 1}"]
    if number > 1:
        lines.append(f"1 1 {number - 1}")
    return "\n".join(lines) + "\n"


def _user_namespace(uid: int, gid: int) -> int:
    """A descriptor of a user namespace that maps so; the process that makes it is gone at once."""
    made, ready = os.pipe()
    over, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(tell)
        os.write(ready, b"x" if _library.unshare(_NEW_USER) == 0 else b"")
        os.close(ready)
        os.read(over, 1)
        os._exit(0)
    os.close(over)
    os.close(ready)
    try:
        if os.read(made, 1) != b"x":
            raise OSError("no user namespace can be made")
        for name, number in (("uid_map", uid), ("gid_map", gid)):
            with open(f"/proc/{child}/{name}", "w") as file:  # noqa: PTH123 - pathlib doubles the time to start
                file.write(_swapped(number))
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(tell)
        os.waitpid(child, 0)


def _show(mount_point: str, target: str, users: int) -> None:
    tree = _done(_library.syscall(_OPEN_TREE, _HERE, os.fsencode(mount_point), _CLONE_TREE), "open_tree")
    try:
        wanted = _Attributes(_IDMAP, 0, 0, users)
        size = ctypes.sizeof(wanted)
        _done(_library.syscall(_MOUNT_SETATTR, tree, b"", _EMPTY_PATH, ctypes.byref(wanted), size), "mount_setattr")
        os.mkdir(target)  # noqa: PTH102
        _done(_library.syscall(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(target), _FROM_EMPTY_PATH), "move_mount")
    finally:
        os.close(tree)


def _say(line: str) -> None:
    sys.stdout.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()


def main(uid: int, gid: int) -> None:
    """Serve until stdin ends."""
    users = _user_namespace(uid, gid)
    _done(_library.unshare(_NEW_MOUNTS), "unshare")
    _done(_library.mount(None, b"/", None, _RECURSIVE | _SLAVE, None), "mount --make-rslave /")
    _done(_library.mount(b"forge", os.fsencode(STAGE), b"tmpfs", _NO_SUID | _NO_DEVICES, b"mode=0755"), "mount")
    _say("ready")
    for number, line in enumerate(sys.stdin):
        try:
            _show(line.rstrip("\n"), f"{STAGE}/{number}", users)
            _say(f"ok {STAGE}/{number}")
        except OSError as error:
            _say(f"no {error}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
