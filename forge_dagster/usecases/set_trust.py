"""Say how far an agent is trusted in a repository."""

from forge_dagster.domain.decisions import TrustLevel
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.trust import TRUST_SET
from forge_dagster.ports import AuditEntry, Services


def set_trust(services: Services, *, agent: str, repository: str, level: TrustLevel, by: str, why: str = "") -> AuditEntry:
    """Write it into the sealed log, which is the only record of it; the newest entry counts, in either direction.

    Raises ConfigurationError where no host has the repository.
    """
    services.host_of(repository)
    body = {"agent": agent, "repository": repository, "level": int(level), "by": by, "why": one_line(why, 1000)}
    return services.ledger.record(TRUST_SET, body, services.clock.now())
