"""What a preview is called."""


def preview_name(repository: str, number: int | None) -> str:
    """Name of a pull request's preview on its platform: the same for every head, so that a new one replaces the old."""
    return f"{repository}/pull/{number}" if number is not None else f"{repository}/local"
