"""Every Protocol: what the rules and use cases need of the outside world. Adapters satisfy these; nothing here acts."""

from forge_dagster.ports.evidence import KeylessSigner, Keyring
from forge_dagster.ports.gates import (
    Environment,
    Environments,
    FollowUp,
    Gate,
    GateContext,
    Selection,
    ServiceStarter,
    Tool,
    ToolOutput,
    ToolReport,
    ToolRequest,
    environment_folders,
)
from forge_dagster.ports.host import CheckRun, Commit, GitHost, HostRemark, PullRequest
from forge_dagster.ports.ledger import Attestation, AuditEntry, Errand, Event, Ledger, StoredStatement
from forge_dagster.ports.memo import Memo, Remembered
from forge_dagster.ports.platform import Deployment, Platform, ReleaseHealth, Signals, Traffic
from forge_dagster.ports.processes import Clock, Command, Ended, ProcessResult, Program, ProgramState, Run, Supervision
from forge_dagster.ports.review import Reviewer, ReviewRequest
from forge_dagster.ports.workspace import AgentChannel, Checkout, Services, Workspace

__all__ = [
    "AgentChannel",
    "Attestation",
    "AuditEntry",
    "CheckRun",
    "Checkout",
    "Clock",
    "Command",
    "Commit",
    "Deployment",
    "Ended",
    "Environment",
    "Environments",
    "Errand",
    "Event",
    "FollowUp",
    "Gate",
    "GateContext",
    "GitHost",
    "HostRemark",
    "KeylessSigner",
    "Keyring",
    "Ledger",
    "Memo",
    "Platform",
    "ProcessResult",
    "Program",
    "ProgramState",
    "PullRequest",
    "ReleaseHealth",
    "Remembered",
    "ReviewRequest",
    "Reviewer",
    "Run",
    "Selection",
    "ServiceStarter",
    "Services",
    "Signals",
    "StoredStatement",
    "Supervision",
    "Tool",
    "ToolOutput",
    "ToolReport",
    "ToolRequest",
    "Traffic",
    "Workspace",
    "environment_folders",
]
