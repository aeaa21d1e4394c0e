"""Everything Forge refuses to do, each with an exit code: a message says what happened, where, and what to do next."""


class ForgeError(Exception):
    """Root of Forge's errors. `hint` is the next thing to do; `exit_code` follows DESIGN section 7."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UsageError(ForgeError):
    """The command line or an argument is wrong."""

    exit_code = 2


class ConfigurationError(ForgeError):
    """`forge.toml` or the operator's settings are wrong."""

    exit_code = 2


class ToolError(ForgeError):
    """A tool is missing, crashed or said nothing that can be believed."""


class WorkspaceError(ForgeError):
    """A checkout or an environment could not be made."""


class ServiceFailed(WorkspaceError):
    """A service that tests need did not come up, or ended by itself before it had."""


class SetupFailed(WorkspaceError):
    """A setup command of a service, such as a migration, ran and failed: perhaps by the change's fault."""


class Conflict(WorkspaceError):
    """The change cannot be merged into its base: the author's to resolve, so the change is at fault."""

    exit_code = 1


class HostError(ForgeError):
    """The git host refused or did not answer. `status` is the HTTP status, or None where there was no answer."""

    def __init__(self, message: str, *, hint: str = "", status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s


class RevisionGone(HostError):
    """The commit no longer exists (force push, deleted branch)."""


class HeadMoved(HostError):
    """A merge was refused since the head is no longer the one that was judged (HTTP 409)."""


class LedgerError(ForgeError):
    """The ledger's database cannot be opened, read or written."""


class EvidenceError(ForgeError):
    """What would prove a result, a verdict or a release is missing, altered or about something else; nothing rests on it."""


class PlatformError(ForgeError):
    """A deployment target refused, or a release did not start."""


class ReleaseFailed(PlatformError):
    """A release ended by itself or never became healthy: its own fault, not the platform's."""


class Superseded(ForgeError):
    """Another run is the effective one for this head and policy."""


class Interrupted(ForgeError):
    """Ctrl-C, or the run was cancelled."""

    exit_code = 130
