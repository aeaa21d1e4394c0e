"""How the embedded host says no."""

from typing import Any

from forge_dagster.errors import HostError


class Refused(HostError):
    """A request that is refused, with the HTTP status GitHub would give. `errors` go into a 422's body."""

    def __init__(
        self, message: str, *, status: int = 422, errors: tuple[dict[str, Any] | str, ...] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.errors = errors


def not_found(what: str = "") -> Refused:
    """404; GitHub's message for whatever is absent or not to be seen."""
    return Refused(f"Not Found: {what}" if what else "Not Found", status=404)


def forbidden(message: str) -> Refused:
    """403: known, but not allowed."""
    return Refused(message, status=403)


def invalid(resource: str, field: str, message: str, *, code: str = "invalid") -> Refused:
    """422 in GitHub's shape: which field of which resource, and why."""
    error = {"resource": resource, "field": field, "code": code, "message": message}
    return Refused(f"Validation Failed: {message}", status=422, errors=(error,))


def invalid_simply(message: str) -> Refused:
    """422 as GitHub's review calls give it: errors are texts (`validation_failed_simple`)."""
    return Refused("Unprocessable Entity", status=422, errors=(message,))
