"""The only wiring: settings to adapters to Services. Imports nothing heavy until it is needed."""

from forge_dagster.bootstrap.homes import (
    FORGE_TOKEN,
    KEYS_FOLDER,
    OPERATOR_TOKEN,
    PORTS_FILE,
    WEBHOOK_SECRET,
    configured_ports,
    embedded_admin,
    home_accounts,
    home_folder,
    load_settings,
    public_keys,
    read_secret,
    read_token,
    redactor,
    signatures,
    supervision,
    webhook_secrets,
)
from forge_dagster.bootstrap.local import local_check
from forge_dagster.bootstrap.services import build_services, people_url

__all__ = [
    "FORGE_TOKEN",
    "KEYS_FOLDER",
    "OPERATOR_TOKEN",
    "PORTS_FILE",
    "WEBHOOK_SECRET",
    "build_services",
    "configured_ports",
    "embedded_admin",
    "home_accounts",
    "home_folder",
    "load_settings",
    "local_check",
    "people_url",
    "public_keys",
    "read_secret",
    "read_token",
    "redactor",
    "signatures",
    "supervision",
    "webhook_secrets",
]
