"""The link with which this machine's operator logs a browser in."""

from forge_dagster import bootstrap
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import ConfigurationError


def login_link(settings: Settings) -> str:
    """An address that logs one browser in as the operator, within ten minutes. Raises ConfigurationError."""
    token = bootstrap.read_secret(settings.home, bootstrap.OPERATOR_TOKEN)
    with bootstrap.home_accounts(settings.home) as (_accounts, sessions):
        ticket = sessions.issue_ticket(token)
    if ticket is None:
        path = settings.home / "secrets" / bootstrap.OPERATOR_TOKEN
        raise ConfigurationError(f"the token in {path} is not valid any more", hint="remove the file: forge up makes a new one")
    return f"{bootstrap.people_url(settings)}/login?ticket={ticket}"
