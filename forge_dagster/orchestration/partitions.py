"""One partition per commit: `owner/repo@<sha12>`, as domain.changes.Attempt.partition writes it."""

import dagster as dg

COMMITS = dg.DynamicPartitionsDefinition(name="commit")

ATTEMPT = "forge/attempt"
"""Run tag: the attempt that the run works on (domain.changes.Attempt.tags)."""


def parse(partition: str) -> tuple[str, str]:
    """Repository and the first digits of the commit. Raises ValueError for any other text."""
    repository, separator, sha = partition.rpartition("@")
    if not separator or "/" not in repository or not sha:
        raise ValueError(f"{partition!r} is not owner/repository@commit")
    return repository, sha
