"""Secrets that are none, put together at run time so that no scanner finds them in this repository, and looking for them."""

import random
import string
from collections.abc import Iterable, Iterator
from pathlib import Path

_LETTERS = string.ascii_letters + string.digits


def credential(kind: str, length: int = 36) -> str:
    """A value in the shape of a well-known credential; the same for the same arguments."""
    chance = random.Random(f"{kind}:{length}")

    def some(count: int, letters: str = _LETTERS) -> str:
        return "".join(chance.choices(letters, k=count))

    return {
        "github": lambda: "gh" + "p_" + some(length),
        "github fine": lambda: "github" + "_pat_" + some(max(length, 82)),
        "forge": lambda: "forge" + "_agent_" + some(43),
        "aws": lambda: "AK" + "IA" + some(16, string.ascii_uppercase + string.digits),
        "slack": lambda: "xox" + "b-" + some(12, string.digits) + "-" + some(24),
        "jwt": lambda: ".".join(["ey" + "J" + some(20), "ey" + "J" + some(40), some(43)]),
    }[kind]()


def private_key(seed: int = 7) -> str:
    """What looks like an RSA key."""
    chance = random.Random(seed)
    lines = ["".join(chance.choices(_LETTERS + "+/", k=64)) for _ in range(25)]
    return "\n".join(["-----BEGIN RSA PRIVATE" + " KEY-----", *lines, "-----END RSA PRIVATE" + " KEY-----"])


def canary(name: str) -> str:
    """A value of no known shape, so that only being configured makes it a secret."""
    return "canary-" + "".join(random.Random(name).choices(_LETTERS, k=32))


def found_in(places: Iterable[Path], secrets: Iterable[str], *, without: Iterable[Path] = ()) -> Iterator[tuple[Path, str]]:
    """Every file under `places` whose content or name holds one of the secrets, but those under `without`."""
    wanted, left_out = [secret.encode() for secret in secrets], tuple(without)
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if any(path.is_relative_to(one) for one in left_out) or path.is_symlink():
                continue
            content = path.read_bytes() if path.is_file() else b""
            for secret in wanted:
                if secret in content or secret in str(path).encode():
                    yield path, secret.decode()
