"""The operator's own settings: `settings.toml` in Forge's home, never in a target repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from forge_dagster.domain.redaction import MIN_SECRET


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HostSettings(_Section):
    """A git host. For kind "github" give `token_file` (or `app_id` and `key_file`) and `repositories`."""

    name: str = "embedded"
    kind: Literal["embedded", "github"] = "embedded"
    api_url: str = ""
    """REST root; embedded: filled in from the server's address; github.com: https://api.github.com."""
    git_url: str = ""
    """Clone root: `<git_url>/<owner>/<repo>.git`."""
    token_file: Path | None = None
    webhook_secret_file: Path | None = None
    repositories: tuple[str, ...] = ()
    """`owner/name`; empty for the embedded host, which serves all it has."""


class ReviewerSettings(_Section):
    """[reviewer]: who answers gate `review`.

    `kind` "openai" and "anthropic" are endpoints of that shape at `url`, "command" a local program (`command`, which gets the
    question on stdin and answers on stdout), "comments" reads what reviewers such as CodeRabbit (`logins`) wrote on the pull
    request.
    """

    kind: Literal["openai", "anthropic", "command", "comments"]
    url: str = ""
    model: str = ""
    key_file: Path | None = None
    command: tuple[str, ...] = ()
    logins: tuple[str, ...] = ("coderabbitai[bot]",)
    max_output_tokens: int = Field(default=4_000, ge=256, le=64_000)
    daily_calls: int = Field(default=500, ge=0)
    """Calls per day over all repositories; beyond it the gate says that its budget is spent."""


class EvidenceSettings(_Section):
    """[evidence]: what a release has to show, and who else signs."""

    unverified_releases: Literal["refuse", "ask"] = "ask"
    """A release whose tree no verdict let through. "ask": an operator may answer for it (forge audit vouch)."""
    keyless: bool = False
    """Whether verdicts and builds are signed by Sigstore as well, where this machine has an identity (extra `keyless`)."""


class Ports(_Section):
    """TCP ports on loopback; 0 lets the system choose when Forge starts."""

    server: int = 7730
    envoy_admin: int = 7733


class SandboxSettings(_Section):
    """[sandbox]: how processes that touch a change's content are confined. Only the operator's file can lower it.

    `kind` "container" runs them by `engine` ("docker", "podman") in an empty image that sees the same folders; "none" runs them
    with Forge's own rights. Limits are those of one command with all that it starts; `memory_mib` 0 is three quarters of the
    machine's memory, `cpus` 0 all its cores. `file_mib` is the largest file that it may write, `scratch_mib` the size of its
    private /tmp. `hosts` ("host" or "host:port") may be reached by installs besides the package registries of this machine,
    `reads` are folders that everything sees besides, such as a language's toolchain.
    """

    kind: Literal["bubblewrap", "container", "none"] = "bubblewrap"
    engine: Literal["docker", "podman"] = "docker"
    memory_mib: int = Field(default=0, ge=0)
    processes: int = Field(default=2048, ge=16)
    cpus: float = Field(default=0.0, ge=0)
    file_mib: int = Field(default=8192, ge=1)
    scratch_mib: int = Field(default=2048, ge=16)
    hosts: tuple[str, ...] = ()
    reads: tuple[Path, ...] = ()


class Settings(_Section):
    """Everything Forge needs to know about the machine it runs on. `home` holds all state."""

    home: Path
    ports: Ports = Ports()
    public_url: str = Field(default="", pattern=r"^$|^https?://[A-Za-z0-9.-]+(:[0-9]+)?$")
    """Where people and agents reach the server from elsewhere, such as `https://forge.example.org`: a proxy of the operator's
    that ends TLS and passes everything on to `ports.server`. Empty: Forge is for this machine."""
    hosts: tuple[HostSettings, ...] = (HostSettings(),)
    max_parallel_gates: int = Field(default=4, ge=1, le=64)
    poll_s: float = Field(default=30.0, gt=0)
    """Seconds between two reconciling polls of the hosts."""
    webhook_body_limit: int = 25 * 1024 * 1024
    """Bytes; GitHub's own cap on a delivery (docs.github.com, "Webhook events and payloads")."""
    production_branches: dict[str, str] = Field(default_factory=lambda: {"main": "production", "staging": "staging"})
    """Branch -> environment it deploys to (DESIGN section 5)."""
    agents: dict[str, str] = Field(default_factory=dict)
    """Host login -> agent name, where they differ (github.com); the embedded host's agent logins are the names."""
    operator: str = "operator"
    """Login under which this machine's operator approves."""
    advisories: tuple[Path, ...] = ()
    """Folders or zip files of OSV-format advisories that the operator mirrors (osv.dev, "Data dumps")."""
    reviewer: ReviewerSettings | None = None
    sandbox: SandboxSettings = SandboxSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    memo: bool = True
    """Whether a gate whose inputs were judged before is answered from the record."""
    secrets: tuple[Annotated[SecretStr, Field(min_length=MIN_SECRET)], ...] = ()
    """Values to blank in every output, besides the tokens Forge itself holds; a shorter one would blank ordinary words."""

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Every file of a token, key or secret that these settings name: whatever key of theirs ends in `_file`."""
        return tuple(_files(self))


def _files(section: BaseModel) -> Iterator[Path]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path) and name.endswith("_file"):
            yield value
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, BaseModel):
                yield from _files(part)
