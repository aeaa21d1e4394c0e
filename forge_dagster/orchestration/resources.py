"""How assets, sensors and schedules come by Forge's services. No I/O until somebody asks."""

from pathlib import Path

import dagster as dg

from forge_dagster.bootstrap import build_services, redactor
from forge_dagster.domain.redaction import Redaction
from forge_dagster.errors import ConfigurationError
from forge_dagster.ports import Services


class Forge(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Forge's home on this machine. Empty: $FORGE_HOME, else ~/.forge."""

    home: str = ""

    def services(self) -> Services:
        """All that use cases need, built once per process and home. Raises ForgeError when the home cannot be used."""
        return build_services(Path(self.home) if self.home else None)

    def redaction(self) -> Redaction:
        """What is to be blanked in every text that Dagster stores. Raises nothing."""
        return redactor(Path(self.home) if self.home else None)()

    def ready(self) -> Services:
        """As `services`, where they are going to be used. Raises ConfigurationError where Forge was never started."""
        services = self.services()
        home = services.settings.home
        if not (home / "secrets").is_dir():  # `forge up` makes it
            raise ConfigurationError(
                f"Forge was never started in {home}", hint="start it with `forge up`, or set FORGE_HOME to the home it uses"
            )
        return services
