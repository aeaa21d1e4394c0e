"""The git hooks' program. Standard library only, run as a script: asks the server over its Unix socket and obeys.

Stages: pre-receive (may this push happen at all), proc-receive (refs/for/*: open or update pull requests; githooks(5)
has the packet-line protocol), post-receive (tell what moved). The server knows the pusher by the key in FORGE_PUSH.
"""

import json
import os
import socket
import sys
from collections.abc import Iterable
from typing import Any

QUARANTINE = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")


def ask(stage: str, commands: list[list[str]], options: list[str]) -> dict[str, Any]:
    """Send one question, return the answer."""
    question = {
        "push": os.environ.get("FORGE_PUSH", ""),
        "stage": stage,
        "commands": commands,
        "options": options,
        "quarantine": {name: os.environ[name] for name in QUARANTINE if name in os.environ},
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(300)
        connection.connect(os.environ["FORGE_HOOK_SOCKET"])
        connection.sendall(json.dumps(question).encode() + b"\n")
        answer = connection.makefile("rb").read()
    return dict(json.loads(answer))


def say(lines: Iterable[str]) -> None:
    """Show lines to the pusher (git prefixes them with "remote: ")."""
    for line in lines:
        sys.stderr.write(line + "\n")
    sys.stderr.flush()


def push_options() -> list[str]:
    """What the pusher gave with -o."""
    count = int(os.environ.get("GIT_PUSH_OPTION_COUNT", "0"))
    return [os.environ.get(f"GIT_PUSH_OPTION_{n}", "") for n in range(count)]


def plain(stage: str) -> int:
    """pre-receive and post-receive: commands on stdin, the exit status is the answer."""
    lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").splitlines()
    answer = ask(stage, [line.split(" ", 2) for line in lines], push_options())
    say(answer.get("messages", []))
    return 1 if answer.get("refused") else 0


def read_packets() -> list[str]:
    """Packet lines up to the flush."""
    lines = []
    while (size := int(sys.stdin.buffer.read(4), 16)) != 0:
        lines.append(sys.stdin.buffer.read(size - 4).rstrip(b"\n").decode("utf-8", "surrogateescape"))
    return lines


def write_packets(lines: Iterable[str]) -> None:
    """Packet lines, and the flush after them."""
    for line in lines:
        data = line.encode("utf-8", "surrogateescape")[:65_000] + b"\n"
        sys.stdout.buffer.write(b"%04x" % (len(data) + 4) + data)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()


def proc_receive() -> int:
    """refs/for/*: the server makes or moves the head branches; report what became of each ref."""
    features = read_packets()[0].partition("\0")[2].split()
    write_packets(["version=1\0" + ("push-options" if "push-options" in features else "")])
    commands = [line.split(" ", 2) for line in read_packets()]
    options = read_packets() if "push-options" in features else []
    answer = ask("proc-receive", commands, options)
    report = []
    for result in answer["results"]:
        if result.get("reason"):
            report.append(f"ng {result['ref']} {result['reason']}")
            continue
        report += [f"ok {result['ref']}", f"option refname {result['refname']}"]
        report += [f"option old-oid {result['old']}", f"option new-oid {result['new']}"]
        report += ["option forced-update"] if result.get("forced") else []
    say(answer.get("messages", []))
    write_packets(report)
    return 0


def main(stage: str) -> int:
    """Run one hook; its exit status."""
    try:
        return proc_receive() if stage == "proc-receive" else plain(stage)
    except (OSError, ValueError, KeyError, IndexError) as problem:
        what = (
            "the push is in, Forge will notice it"
            if stage == "post-receive"
            else "nothing was accepted; push again in a moment"
        )
        say([f"Forge did not answer ({type(problem).__name__}): {what}."])
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
