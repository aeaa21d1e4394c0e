"""What a confined process may reach: the ports of this machine that its variables speak of, and package registries."""

from collections.abc import Mapping
from urllib.parse import urlsplit

REFUSED = "is no package registry of this machine"
"""How the proxy that installations go through ends its sentence about a host that it does not let them reach."""
ALLOW = "if it is one of yours, add it to [sandbox] hosts in settings.toml"
_NAMES = ("PGPORT", "POSTGRES_PORT")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def loopback_ports(variables: Mapping[str, str]) -> tuple[int, ...]:
    """The ports in addresses on loopback, and in libpq's variables (postgresql.org, "Environment Variables"); sorted."""
    found: set[int] = set()
    for name, value in variables.items():
        if name in _NAMES and value.isascii() and value.isdigit():
            found.add(int(value))
        if "://" not in value:
            continue
        try:
            address = urlsplit(value)
            port = address.port
        except ValueError:
            continue
        if address.hostname in _LOOPBACK and port is not None:
            found.add(port)
    return tuple(sorted(port for port in found if 0 < port < 65536))
