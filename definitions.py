"""What `dagster dev` and every Dagster process load: Forge's assets, jobs, sensors and schedules."""

from forge_dagster.orchestration.definitions import definitions
from forge_dagster.orchestration.resources import Forge

defs = definitions(Forge())
