"""Tables of the embedded host's own database (`host/host.db`)."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey(f"{target}.id"), nullable=nullable)


users = Table(
    "users",
    metadata,
    _id(),
    Column("login", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    sqlite_autoincrement=True,
)
"""`kind`: agent (GitHub's type "Bot"), operator, forge or read."""

tokens = Table(
    "tokens",
    metadata,
    _id(),
    _ref("user_id", "users"),
    Column("digest", String(64), nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("note", String),
    Column("repositories", JSON),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    sqlite_autoincrement=True,
)
"""`repositories`: full names that the token opens; empty for all. `expires_at`: null for never."""

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    _ref("token_id", "tokens"),
    Column("csrf", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
    sqlite_autoincrement=True,
)
"""Browsers that are logged in; `digest` is of the cookie."""

tickets = Table(
    "tickets",
    metadata,
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    _ref("token_id", "tokens"),
    Column("expires_at", Float, nullable=False),
    sqlite_autoincrement=True,
)
"""Links that log in once; deleted by their use."""

repositories = Table(
    "repositories",
    metadata,
    _id(),
    Column("full_name", String, nullable=False, unique=True),
    Column("default_branch", String, nullable=False),
    Column("next_number", Integer, nullable=False, default=1),
    Column("created_at", Float, nullable=False),
    Column("pushed_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

pulls = Table(
    "pulls",
    metadata,
    _id(),
    _ref("repository_id", "repositories"),
    Column("number", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text),
    Column("state", String, nullable=False, default="open"),
    Column("draft", Boolean, nullable=False, default=False),
    Column("head_ref", String, nullable=False),
    Column("head_sha", String, nullable=False),
    Column("base_ref", String, nullable=False),
    Column("base_sha", String, nullable=False),
    _ref("user_id", "users"),
    _ref("merged_by_id", "users", nullable=True),
    Column("merge_sha", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("merged_at", Float),
    UniqueConstraint("repository_id", "number"),
    sqlite_autoincrement=True,
)

comments = Table(
    "comments",
    metadata,
    _id(),
    _ref("pull_id", "pulls"),
    _ref("user_id", "users"),
    Column("body", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",
    metadata,
    _id(),
    _ref("pull_id", "pulls"),
    _ref("user_id", "users"),
    Column("state", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("commit_id", String, nullable=False),
    Column("submitted_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

labels = Table(
    "labels",
    metadata,
    _id(),
    _ref("pull_id", "pulls"),
    Column("name", String, nullable=False),
    UniqueConstraint("pull_id", "name"),
    sqlite_autoincrement=True,
)

checks = Table(
    "checks",
    metadata,
    _id(),
    _ref("repository_id", "repositories"),
    _ref("user_id", "users"),
    Column("head_sha", String, nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("conclusion", String),
    Column("external_id", String, nullable=False, default=""),
    Column("details_url", String),
    Column("title", Text),
    Column("summary", Text),
    Column("text", Text),
    Column("started_at", Float, nullable=False),
    Column("completed_at", Float),
    Index("checks_by_head", "repository_id", "head_sha"),
    sqlite_autoincrement=True,
)

annotations = Table(
    "annotations",
    metadata,
    _id(),
    Column("check_id", Integer, ForeignKey("checks.id"), nullable=False, index=True),
    Column("body", JSON, nullable=False),
    sqlite_autoincrement=True,
)

statuses = Table(
    "statuses",
    metadata,
    _id(),
    _ref("repository_id", "repositories"),
    _ref("user_id", "users"),
    Column("sha", String, nullable=False),
    Column("state", String, nullable=False),
    Column("context", String, nullable=False),
    Column("description", Text),
    Column("target_url", String),
    Column("created_at", Float, nullable=False),
    Index("statuses_by_sha", "repository_id", "sha"),
    sqlite_autoincrement=True,
)

deployments = Table(
    "deployments",
    metadata,
    _id(),
    _ref("repository_id", "repositories"),
    _ref("user_id", "users"),
    Column("sha", String, nullable=False),
    Column("ref", String, nullable=False),
    Column("task", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("description", Text),
    Column("payload", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

deployment_statuses = Table(
    "deployment_statuses",
    metadata,
    _id(),
    Column("deployment_id", Integer, ForeignKey("deployments.id"), nullable=False, index=True),
    _ref("user_id", "users"),
    Column("state", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("environment", String, nullable=False),
    Column("environment_url", String, nullable=False),
    Column("log_url", String, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

webhooks = Table(
    "webhooks",
    metadata,
    _id(),
    Column("url", String, nullable=False, unique=True),
    Column("secret", String, nullable=False),
    Column("events", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)
"""`events`: names, or ["*"] for all."""

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    _ref("webhook_id", "webhooks"),
    _ref("repository_id", "repositories", nullable=True),
    Column("guid", String, nullable=False),
    Column("event", String, nullable=False),
    Column("action", String),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False, default="pending", index=True),
    Column("status_code", Integer),
    Column("error", Text),
    Column("redelivery", Boolean, nullable=False, default=False),
    Column("created_at", Float, nullable=False),
    Column("delivered_at", Float),
    sqlite_autoincrement=True,
)
"""`state`: pending, delivered or failed. A redelivery is a new row with the same guid, as GitHub does it."""
