"""The confinement of processes that touch a change's content."""

from forge_dagster.workspace.sandbox.confine import Sandbox
from forge_dagster.workspace.sandbox.enclosed import Enclosed

__all__ = ["Enclosed", "Sandbox"]
