"""The few pages for people: what is open, a pull request, and the form to approve it. They run no script."""

from pathlib import Path
from typing import Any

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from forge_dagster.hosts.embedded import checks, pulls, schema, talk
from forge_dagster.hosts.embedded.accounts import Login
from forge_dagster.hosts.embedded.host import EmbeddedHost, Repository
from forge_dagster.hosts.embedded.refusals import Refused, forbidden, invalid_simply, not_found
from forge_dagster.server.access import caller_of, root_of
from forge_dagster.server.markdown import rendered

_FOLDER = Path(__file__).parent
_TEMPLATES = Jinja2Templates(directory=_FOLDER / "templates")
"""Every value is escaped (Jinja2's autoescape, which Starlette switches on)."""
_SHOWN = 200
"""Open pull requests on the first page."""
_EVENTS = {"approve": "APPROVE", "reject": "REQUEST_CHANGES"}


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A page made of one of the templates."""
    return _TEMPLATES.TemplateResponse(request, template, values, status_code=status)


class Pages:
    """Pages of a host. `public_url` as in build_app."""

    def __init__(self, host: EmbeddedHost, *, public_url: str) -> None:
        self._host = host
        self._public_url = public_url

    def routes(self) -> list[Route]:
        """`/`, a pull request's page, its form, and the style sheet."""
        pull = "/{owner}/{name}/pull/{number:int}"
        return [
            Route("/", self._home, methods=["GET"]),
            Route("/static/forge.css", _style, methods=["GET"]),
            Route(pull, self._pull, methods=["GET"]),
            Route(f"{pull}/review", self._review, methods=["POST"]),
        ]

    async def _home(self, request: Request) -> Response:
        caller = caller_of(request)
        found = await run_in_threadpool(self._open_pulls, caller.login)
        return page(request, "home.html", login=caller.login, csrf=caller.csrf, pulls=found)

    def _open_pulls(self, by: Login) -> list[dict[str, Any]]:
        table, repositories = schema.pulls.c, schema.repositories.c
        query = select(table.number, table.title, repositories.full_name).join(
            schema.repositories, repositories.id == table.repository_id
        )
        with self._host.database.reading() as connection:
            rows = connection.execute(query.where(table.state == "open").order_by(table.updated_at.desc()).limit(_SHOWN))
            return [dict(row._mapping) for row in rows if by.opens(row.full_name)]

    async def _pull(self, request: Request) -> Response:
        caller = caller_of(request)
        try:
            values = await run_in_threadpool(self._pull_values, self._repository(request), request.path_params["number"])
        except Refused as refused:
            return page(request, "refused.html", status=refused.status or 500, message="There is no such pull request.")
        may_decide = caller.login.kind == "operator" and caller.csrf is not None and values["state"] == "open"
        return page(request, "pull.html", login=caller.login, csrf=caller.csrf, may_decide=may_decide, **values)

    def _repository(self, request: Request) -> Repository:
        """The one in the path. Raises Refused (404)."""
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        if not caller_of(request).login.opens(name):
            raise not_found()
        return self._host.repository(name)

    def _pull_values(self, repository: Repository, number: int) -> dict[str, Any]:
        row = pulls.pull_row(self._host, repository, number)
        with self._host.database.reading() as connection:
            author = self._host.user(connection, row.user_id).login
        runs = checks.list_checks(self._host, repository, row.head_sha, name=None, status=None, latest=True, root="")
        comments, _ = talk.list_comments(self._host, repository, number, offset=0, limit=100, root="")
        reviews = talk.list_reviews(self._host, repository, number, root="")
        said = [(c["user"]["login"], c["body"]) for c in comments]
        said += [(f"{r['user']['login']} ({r['state'].lower()})", r["body"]) for r in reviews]
        shown = rendered(text for _, text in said)
        return {
            "repository": repository.full_name,
            "pull": row,
            "author": author,
            "state": "merged" if row.merged_at is not None else row.state,
            "checks": [_check(run) for run in sorted(runs, key=lambda run: run["name"])],
            "said": [(who, text) for (who, _), text in zip(said, shown, strict=True)],
        }

    async def _review(self, request: Request) -> Response:
        """An operator's word, from the form on the page: it holds for the head that the page showed."""
        caller, number = caller_of(request), int(request.path_params["number"])
        try:
            if caller.csrf is None:
                raise forbidden("programs review by REST")
            caller.only("operator")
            await run_in_threadpool(self._add_review, request, caller.login, self._repository(request), number)
        except Refused as refused:
            said = str(refused.errors[0]) if refused.errors else refused.message
            return page(request, "refused.html", status=refused.status or 500, message=said)
        return RedirectResponse(request.url.path.removesuffix("/review"), 303)

    def _add_review(self, request: Request, by: Login, repository: Repository, number: int) -> None:
        form = request.state.form
        event, body = _EVENTS.get(form.get("word", "")), form.get("comment", "").strip()
        if event is None:
            raise invalid_simply("choose approve or reject")
        talk.add_review(
            self._host,
            repository,
            number,
            event=event,
            body=body or ("looks right" if event == "APPROVE" else "rejected on Forge's page"),
            commit_id=form.get("head", ""),
            by=by,
            root=root_of(request, self._public_url),
        )


async def _style(_request: Request) -> Response:
    return FileResponse(_FOLDER / "static" / "forge.css", media_type="text/css")


def _check(run: dict[str, Any]) -> dict[str, str]:
    url = run["details_url"] or ""
    return {
        "name": run["name"],
        "state": run["conclusion"] or run["status"],
        "title": run["output"]["title"] or "",
        "url": url if url.startswith(("http://", "https://")) else "",
    }
