"""The embedded git host: bare repositories, pull requests and checks on this machine, in GitHub's shapes."""

from forge_dagster.hosts.embedded.host import EmbeddedHost

__all__ = ["EmbeddedHost"]
