"""A gate result as Dagster metadata worth looking at. Everything in it may come from a hostile change: bounded and escaped."""

import math
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import dagster as dg

from forge_dagster.domain.changes import Attempt
from forge_dagster.domain.decisions import Verdict
from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Severity
from forge_dagster.domain.planted.proofs import Proved
from forge_dagster.domain.results import GateResult, ToolRun

MAX_ROWS = 100
"""Findings shown; the rest is counted (the check run and the ledger have up to MAX_FINDINGS)."""
MAX_CELL = 500
"""Characters of one table cell."""
MAX_REASON = 4_000
MAX_METRICS = 50

Metadata = dict[str, dg.MetadataValue]

_FINDING_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("file", "string"),
        dg.TableColumn("line", "int", description="0: the finding is about no line"),
        dg.TableColumn("severity", "string"),
        dg.TableColumn("rule", "string"),
        dg.TableColumn("message", "string"),
        dg.TableColumn("fix", "string"),
        dg.TableColumn("tool", "string"),
        dg.TableColumn("attribution", "string"),
    ]
)
_TOOL_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("tool", "string"),
        dg.TableColumn("version", "string"),
        dg.TableColumn("outcome", "string"),
        dg.TableColumn("examined", "int"),
        dg.TableColumn("seconds", "float"),
        dg.TableColumn("exit_code", "string"),
        dg.TableColumn("chosen_because", "string"),
        dg.TableColumn("reason", "string"),
    ]
)
_PROOF_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("gate", "string"),
        dg.TableColumn("language", "string"),
        dg.TableColumn("part", "string", description="the further project of the repository that it was planted in"),
        dg.TableColumn("proof", "string", description="proven; not_proven: the fault got through; cannot: no answer"),
        dg.TableColumn("planted", "string"),
        dg.TableColumn("found_by", "string"),
        dg.TableColumn("reason", "string"),
        dg.TableColumn("seconds", "float"),
    ]
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~&-])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def gate_metadata(result: GateResult) -> Metadata:
    """All there is to see of a result: outcome, summary, findings, tools, metrics and links."""
    shown: Metadata = {
        "summary": dg.MetadataValue.md(_summary(result)),
        "outcome": dg.MetadataValue.text(result.outcome.value),
        "duration_s": dg.MetadataValue.float(round(result.duration_s, 3)),
    }
    if result.stage.target_s is not None:
        shown["stage_target_s"] = dg.MetadataValue.float(result.stage.target_s)
        shown["over_target"] = dg.MetadataValue.bool(bool(result.over_target))
    if result.findings:
        shown["findings"] = findings_table(result.findings)
        shown["findings_total"] = dg.MetadataValue.int(result.findings_total)
    if result.tools:
        shown["tools"] = _tools_table(result.tools)
    if result.cached:
        shown["cached"] = dg.MetadataValue.bool(True)
    for name, value in list(result.metrics.items())[:MAX_METRICS]:
        if math.isfinite(value):
            shown.setdefault(_key(name), dg.MetadataValue.float(float(value)))
    for name, address in result.links.items():
        shown.setdefault(_key(name), link(address))
    for name, place in result.artifacts.items():
        shown.setdefault(f"artifact: {_key(name)}", dg.MetadataValue.text(plain(place)))
    return shown


def attempt_metadata(attempt: Attempt, *, repository_url: str = "") -> Metadata:
    """What is judged and who made it. `repository_url` is the repository's page, where it has one."""
    identity = attempt.identity
    words = {
        "repository": attempt.repository,
        "commit": attempt.head_sha,
        "title": attempt.title,
        "agent": identity.agent or identity.pusher or "",
        "task": identity.task or "",
        "model": identity.model or "",
    }
    shown: Metadata = {name: dg.MetadataValue.text(plain(word)) for name, word in words.items() if word}
    if attempt.number is not None:
        page = f"{repository_url}/pull/{attempt.number}" if repository_url else ""
        shown["pull_request"] = link(page) if page else dg.MetadataValue.text(f"{attempt.repository}#{attempt.number}")
    return shown


def verdict_metadata(verdict: Verdict) -> Metadata:
    """The decision with what led to it."""
    reasons = "\n".join(f"- {markdown(reason)}" for reason in verdict.reasons[:MAX_ROWS])
    return {
        "decision": dg.MetadataValue.text(verdict.decision.value),
        "risk": dg.MetadataValue.text(verdict.risk.level.value),
        "trust": dg.MetadataValue.text(verdict.trust.name),
        "reasons": dg.MetadataValue.md(reasons or "none given"),
    }


def attestation_metadata(digest: str | None) -> Metadata:
    """Where the signed verdict is, and how anybody checks it."""
    if digest is None:
        return {}
    return {
        "attestation": dg.MetadataValue.text(f"sha256:{digest}"),
        "verify": dg.MetadataValue.text("forge audit verify"),
    }


def proofs_metadata(proofs: Iterable[Proved]) -> Metadata:
    """What became of the fault that was planted for each gate, as a table."""
    rows = [
        dg.TableRecord(
            {
                "gate": one.gate,
                "language": one.language.value if one.language is not None else "",
                "part": plain(one.part),
                "proof": one.proof.value,
                "planted": plain(one.what),
                "found_by": plain(", ".join(one.found_by)),
                "reason": plain(one.reason),
                "seconds": round(one.duration_s, 3),
            }
        )
        for one in proofs
    ]
    return {"proofs": dg.MetadataValue.table(records=rows, schema=_PROOF_COLUMNS)} if rows else {}


def findings_table(findings: Iterable[Finding]) -> dg.TableMetadataValue:
    """Errors first, at most MAX_ROWS."""
    order = list(Severity)
    rows = sorted(findings, key=lambda finding: order.index(finding.severity))[:MAX_ROWS]
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "file": plain(row.file or ""),
                    "line": row.line or 0,
                    "severity": row.severity.value,
                    "rule": plain(row.rule),
                    "message": plain(row.message),
                    "fix": plain(row.suggested_fix),
                    "tool": plain(row.tool),
                    "attribution": row.attribution.value,
                }
            )
            for row in rows
        ],
        schema=_FINDING_COLUMNS,
    )


def _tools_table(tools: Iterable[ToolRun]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "tool": plain(tool.tool),
                    "version": plain(tool.version),
                    "outcome": tool.outcome.value,
                    "examined": tool.examined,
                    "seconds": round(tool.duration_s, 3),
                    "exit_code": "" if tool.exit_code is None else str(tool.exit_code),
                    "chosen_because": plain(tool.chosen_because),
                    "reason": plain(tool.reason),
                }
            )
            for tool in list(tools)[:MAX_ROWS]
        ],
        schema=_TOOL_COLUMNS,
    )


def _summary(result: GateResult) -> str:
    lines = [f"**{markdown(result.summary)}**"]
    if result.reason and result.reason not in result.summary:
        lines.append(markdown(result.reason[:MAX_REASON]))
    if result.over_target:
        lines.append(f"Slow: it {result.over_target}.")
    if result.findings_total > min(len(result.findings), MAX_ROWS):
        lines.append(f"{min(len(result.findings), MAX_ROWS)} of {result.findings_total} findings are shown.")
    return "\n\n".join(lines)


def link(address: str) -> dg.MetadataValue:
    """A link, if the address is one that a browser opens without executing anything; otherwise its text."""
    parts = urlsplit(address) if len(address) <= MAX_CELL else None
    if parts is not None and parts.scheme in ("http", "https") and parts.netloc:
        return dg.MetadataValue.url(address)
    return dg.MetadataValue.text(plain(address))


def plain(text: str) -> str:
    """Foreign text for a table cell: one length, no control or direction-changing characters."""
    text = _CONTROL.sub("\ufffd", text)
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def markdown(text: str) -> str:
    """Foreign text inside Markdown: it cannot become a link, an image, HTML or a heading."""
    return _MARKDOWN.sub(r"\\\1", _CONTROL.sub("\ufffd", text)[:MAX_REASON])


def _key(name: str) -> str:
    return plain(name)[:80] or "unnamed"


def run_tags(verdict: Verdict | None) -> Mapping[str, str]:
    """What a run is tagged with once it is decided."""
    return {} if verdict is None else {"forge/risk": verdict.risk.level.value, "forge/decision": verdict.decision.value}
