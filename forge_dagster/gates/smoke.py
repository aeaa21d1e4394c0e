"""Gate `smoke`: the preview answers its health check and its critical paths.

The health check must answer 2xx, a critical path anything below 400, each after redirects within the preview's own origin: one
that leads elsewhere (a login page, say) is an answer, and is not followed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from forge_dagster.domain.findings import Finding
from forge_dagster.domain.outcomes import Attribution, Category, Outcome
from forge_dagster.domain.plain_text import one_line
from forge_dagster.domain.results import GateResult, gate_result
from forge_dagster.ports import GateContext

if TYPE_CHECKING:
    import httpx

ANSWER_LIMIT_S = 10.0
"""Seconds in which a whole answer has to be there."""
CONNECT_LIMIT_S = 5.0
"""Seconds during which a refused connection is tried again; a refusal is the only fault that is."""
BODY_LIMIT = 64 * 1024
"""Bytes read of an answer; the rest cannot make a page healthier."""
REDIRECTS = 5
_HEADERS = {"User-Agent": "forge-smoke", "Accept-Encoding": "identity"}
"""Nothing is unpacked, so that a small answer cannot become a large one here."""
SHOWN = 200
"""Characters of a body that a finding shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The last answer to one request, redirects followed; `fault` says why there is none."""

    url: str
    status: int = 0
    body: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """The gate. `answer_limit_s` and `connect_limit_s` are there for tests."""

    name: str = "smoke"
    answer_limit_s: float = ANSWER_LIMIT_S
    connect_limit_s: float = CONNECT_LIMIT_S

    def examine(self, context: GateContext) -> GateResult:
        """Ask the preview. Raises Interrupted when the run is cancelled."""
        preview = context.results.get("preview")
        if preview is None:
            return gate_result(self.name, Outcome.ERRORED, reason="preview left no result\n  -> run the gate preview first")
        base = preview.links.get("preview")
        if base is None:
            return gate_result(self.name, Outcome.SKIPPED, reason=f"no address to ask: {preview.reason}")
        kind = context.results["build"].artifacts.get("kind") if "build" in context.results else None
        deploy = context.policy.deploy
        wanted = [(path, "critical-path") for path in dict.fromkeys(deploy.critical_paths)]
        if kind != "static" or "health" in deploy.model_fields_set:
            wanted.insert(0, (deploy.health, "health"))
        answers = [(rule, self._ask(context, base, path)) for path, rule in wanted]
        findings = list(_findings(answers))
        metrics = {"requests": float(len(answers)), "failed": float(len(findings))}
        if findings:
            reason = f"{len(findings)} of {len(answers)} addresses do not answer as they should"
            return gate_result(
                self.name, Outcome.FAILED, reason=reason, findings=findings, metrics=metrics, links=preview.links
            )
        reason = f"{', '.join(path for path, _ in wanted)} answered"
        return gate_result(self.name, Outcome.PASSED, reason=reason, metrics=metrics, links=preview.links)

    def _ask(self, context: GateContext, base: str, path: str) -> Answer:
        import httpx

        url = base.rstrip("/") + path
        limit = context.clock.monotonic() + self.answer_limit_s
        patience = context.clock.monotonic() + self.connect_limit_s
        # trust_env: a proxy of this machine must not answer in the preview's place
        with httpx.Client(trust_env=False, follow_redirects=False, timeout=self.answer_limit_s) as client:
            for _ in range(REDIRECTS + 1):
                answer = self._get(context, client, url, limit=limit, patience=patience)
                target = urljoin(url, answer.body) if answer.status in (301, 302, 303, 307, 308) else ""
                if not target or _origin(target) != _origin(base):
                    return answer if not target else replace(answer, body=f"redirect to {answer.body}")
                url = target
        return Answer(url=base.rstrip("/") + path, fault=f"redirects more than {REDIRECTS} times, at last to {url}")

    def _get(self, context: GateContext, client: "httpx.Client", url: str, *, limit: float, patience: float) -> Answer:
        """One request; `body` of a redirect is its target. Only a refused connection is tried again, until `patience`."""
        import httpx

        while True:
            try:
                with client.stream("GET", url, headers=_HEADERS) as response:
                    location = response.headers.get("location")
                    if response.is_redirect and location:
                        return Answer(url=url, status=response.status_code, body=location)
                    body = b""
                    for chunk in response.iter_raw():  # as it comes: a chunk size would wait for that many bytes
                        body += chunk
                        if len(body) >= BODY_LIMIT:
                            break
                        if context.clock.monotonic() > limit:
                            return Answer(url=url, fault=f"did not answer whole within {self.answer_limit_s:g} s")
                    return Answer(url=url, status=response.status_code, body=body[:BODY_LIMIT].decode("utf-8", "replace"))
            except httpx.ConnectError as error:
                if context.clock.monotonic() >= patience:
                    return Answer(url=url, fault=f"cannot be reached: {error}")
                context.run.wait(0.1)
            except httpx.TimeoutException:
                return Answer(url=url, fault=f"did not answer within {self.answer_limit_s:g} s")
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
                return Answer(url=url, fault=f"did not answer properly: {type(error).__name__}: {error}")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _findings(answers: Iterable[tuple[str, Answer]]) -> Iterable[Finding]:
    for rule, answer in answers:
        good = 200 <= answer.status < (300 if rule == "health" else 400)
        if good and not answer.fault:
            continue
        body = one_line(answer.body, SHOWN)
        said = answer.fault or f"answered {answer.status}" + (f": {body}" if body else " with nothing")
        what = "the health check" if rule == "health" else "a critical path"
        yield Finding(
            tool="smoke",
            rule=rule,
            category=Category.DEPLOY,
            attribution=Attribution.NEW,
            message=f"GET {one_line(answer.url, 500)}, {what}, {one_line(said, 600)}",
            suggested_fix="make it answer, or correct health and critical_paths under [deploy] in forge.toml",
            snippet=f"{rule} {urlsplit(answer.url).path}",
        )


ADAPTER = Smoke()
