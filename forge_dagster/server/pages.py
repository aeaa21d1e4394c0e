"""One plain page per pull request, so that links lead somewhere. Everything on it is escaped; it runs no script."""

from html import escape
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from forge_dagster.hosts.embedded import checks, pulls, talk
from forge_dagster.hosts.embedded.host import EmbeddedHost
from forge_dagster.hosts.embedded.refusals import Refused

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }
pre { background: #f4f6f8; padding: .8rem; overflow-x: auto; white-space: pre-wrap } table { border-collapse: collapse }
td, th { text-align: left; padding: .25rem 1rem .25rem 0 } .success { color: #1a7f37 } .failure, .timed_out { color: #b3261e }
"""


def routes(host: EmbeddedHost) -> list[Route]:
    """`/<owner>/<repo>/pull/<n>`."""

    async def page(request: Request) -> Response:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        try:
            text = await run_in_threadpool(_pull_page, host, name, int(request.path_params["number"]))
        except Refused:
            return HTMLResponse("<!doctype html><title>Not found</title>There is no such pull request.", 404, _HEADERS)
        return HTMLResponse(text, headers=_HEADERS)

    return [Route("/{owner}/{name}/pull/{number:int}", page, methods=["GET"])]


def _pull_page(host: EmbeddedHost, full_name: str, number: int) -> str:
    repository = host.repository(full_name)
    row = pulls.pull_row(host, repository, number)
    with host.database.reading() as connection:
        author = host.user(connection, row.user_id).login
    runs = checks.list_checks(host, repository, row.head_sha, name=None, status=None, latest=True, root="")
    comments, _ = talk.list_comments(host, repository, number, offset=0, limit=100, root="")
    reviews = talk.list_reviews(host, repository, number, root="")
    state = "merged" if row.merged_at is not None else row.state
    said = [(c["user"]["login"], c["body"]) for c in comments]
    said += [(f"{r['user']['login']} ({r['state'].lower()})", r["body"]) for r in reviews]
    return "".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(row.title)} #{number}</title>',
            f"<style>{_STYLE}</style><h1>{escape(row.title)} <small>#{number}</small></h1>",
            f"<p><strong>{escape(state)}</strong>: {escape(author)} wants to merge <code>{escape(row.head_ref)}</code>",
            f" at <code>{escape(row.head_sha[:12])}</code> into <code>{escape(row.base_ref)}</code>",
            f" of {escape(full_name)}</p><pre>{escape(row.body or '')}</pre>" if row.body else f" of {escape(full_name)}</p>",
            "<h2>Checks</h2><table>",
            *(_check_line(run) for run in sorted(runs, key=lambda run: run["name"])),
            "</table><h2>Comments</h2>",
            *(f"<p><strong>{escape(who)}</strong></p><pre>{escape(text)}</pre>" for who, text in said),
            "</html>",
        ]
    )


def _check_line(run: dict[str, Any]) -> str:
    state = run["conclusion"] or run["status"]
    title = run["output"]["title"] or ""
    name = escape(run["name"])
    url = run["details_url"] or ""
    linked = f'<a href="{escape(url)}" rel="noreferrer">{name}</a>' if url.startswith(("http://", "https://")) else name
    return f'<tr><td>{linked}</td><td class="{escape(state)}">{escape(state)}</td><td>{escape(title)}</td></tr>'
