"""What an agent reads: the forge.check/1 object in the comment on its pull request, by REST with its own token."""

import json
import urllib.request
from typing import Any

from forge_dagster.domain.check_report import SCHEMA


def feedback_on(api_url: str, token: str, repository: str, number: int, head: str) -> dict[str, Any] | None:
    """The report on commit `head`, or None while there is none. Raises OSError when the server does not answer."""
    request = urllib.request.Request(  # noqa: S310 - loopback, http only
        f"{api_url}/repos/{repository}/issues/{number}/comments?per_page=100",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        comments = json.loads(answer.read())
    reports = (report_in(str(comment.get("body", ""))) for comment in comments)
    return next((report for report in reports if report is not None and report.get("head") == head), None)


def report_in(text: str) -> dict[str, Any] | None:
    """The first forge.check/1 object in a comment, or None."""
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            found, _ = decoder.raw_decode(text, position)
        except ValueError:
            found = None
        if isinstance(found, dict) and found.get("schema") == SCHEMA:
            return found
        position = text.find("{", position + 1)
    return None
