"""The confinement of processes that touch a change's content."""

from forge_dagster.workspace.sandbox.confine import Enclosed, Sandbox

__all__ = ["Enclosed", "Sandbox"]
