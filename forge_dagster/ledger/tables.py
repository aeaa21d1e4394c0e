"""The ledger's tables. Values are stored as JSON text beside the columns that are searched or must be unique."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

SCHEMA_VERSION = 2
"""Raised by every change of a table; a database that says more was written by a newer Forge and is refused."""

metadata = MetaData()


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


schema = Table("forge_schema", metadata, Column("version", Integer, primary_key=True))

inbox = Table(
    "inbox",
    metadata,
    _id(),
    Column("delivery", String(200), nullable=False),
    Column("host", String(100), nullable=False),
    Column("name", String(100), nullable=False),
    Column("action", String(100), nullable=False),
    Column("repository", String(250), nullable=False),
    Column("payload", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("state", String(10), nullable=False, default="due", index=True),
    Column("due_at", Float, nullable=False, default=0.0),
    Column("tries", Integer, nullable=False, default=0),
    Column("error", Text),
    UniqueConstraint("host", "delivery"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    _id(),
    Column("repository", String(250), nullable=False),
    Column("job", String(20), nullable=False),
    Column("number", Integer, nullable=False),  # 0: no pull request (NULL would not be unique)
    Column("base_ref", String(250), nullable=False),
    Column("head_sha", String(64), nullable=False),
    Column("policy_digest", String(64), nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("run_id", String(100)),
    Column("tested_tree", String(64)),
    Column("base_sha", String(64)),
    Column("body", Text, nullable=False),
    UniqueConstraint("repository", "job", "number", "base_ref", "head_sha", "policy_digest", "round"),
    sqlite_autoincrement=True,
)

results = Table(
    "results",
    metadata,
    Column("attempt_id", Integer, primary_key=True, autoincrement=False),
    Column("gate", String(50), primary_key=True),
    Column("body", Text, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("attempt_id", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("repository", String(250), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("head_sha", String(64), primary_key=True),
    Column("person", String(100), primary_key=True),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
)

flaky_tests = Table(
    "flaky_tests",
    metadata,
    Column("repository", String(250), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("last_attempt", Integer, nullable=False),
    Column("last_at", Float, nullable=False),
    Column("body", Text, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    _id(),
    Column("key", String(400), nullable=False, unique=True),
    Column("repository", String(250), nullable=False),
    Column("environment", String(350), nullable=False, index=True),
    Column("release", String(100), nullable=False),
    Column("body", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("at", Float, nullable=False),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(400), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("until", Float, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),  # an errand's id stands for one body: a new body is a new row, so that finishing the old one cannot lose it
    Column("key", String(400), nullable=False, unique=True),
    Column("kind", String(50), nullable=False),
    Column("repository", String(250), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(10), nullable=False, default="due", index=True),
    Column("due_at", Float, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("error", Text),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(100), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("seal", String(200)),
    Index("ix_audit_kind", "kind", "sequence"),
)

attestations = Table(
    "attestations",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(50), nullable=False),
    Column("repository", String(250), nullable=False),
    Column("attempt_id", Integer, nullable=False, index=True),
    Column("head_sha", String(64), nullable=False),
    Column("tree", String(64), index=True),
    Column("sequence", Integer, nullable=False),
    Column("envelope", Text, nullable=False),
    Column("bundle", Text),
)

MIGRATIONS = {
    2: (
        "ALTER TABLE audit ADD COLUMN seal VARCHAR(200)",
        "CREATE INDEX IF NOT EXISTS ix_audit_kind ON audit (kind, sequence)",
    ),
}
"""Version -> what turns the tables of the version before into it. New tables are made by themselves."""
