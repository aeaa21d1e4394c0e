"""Which ports a process with these variables may reach."""

from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.reach import loopback_ports


def test_addresses_on_loopback_and_libpqs_port() -> None:
    variables = {
        "DATABASE_URL": "postgresql://u:p@127.0.0.1:15001/db",
        "PGPORT": "15001",
        "API_URL": "http://localhost:15002",
        "SIX": "http://[::1]:15003/x",
    }
    assert loopback_ports(variables) == (15001, 15002, 15003)


def test_nothing_else() -> None:
    variables = {
        "OTHER": "https://example.org:443",
        "TRICK": "http://127.0.0.1.example.org:80",
        "USER": "http://127.0.0.1:80@example.org:81",
        "PORT": "15004",
        "BAD": "http://127.0.0.1:99999",
        "PGPORT": "0",
        "NONE": "http://127.0.0.1/",
    }
    assert loopback_ports(variables) == ()


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=60)))
def test_any_variables_at_all(variables: dict[str, str]) -> None:
    assert all(0 < port < 65536 for port in loopback_ports(variables))
