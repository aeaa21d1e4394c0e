"""A service that reviews by itself and writes on the pull request, as CodeRabbit does: what it wrote on this head is read."""

from collections.abc import Callable
from dataclasses import dataclass

from forge_dagster.domain.review import Answer, Remark
from forge_dagster.ports import GitHost, ReviewRequest

_LIMIT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentReviewer:
    """ports.Reviewer. Only accounts in `logins` count. "Changes requested" is grave, a line comment is a likely fault."""

    host_of: Callable[[str], GitHost]
    logins: tuple[str, ...]

    @property
    def name(self) -> str:
        """The account, as far as there is one only."""
        return self.logins[0] if len(self.logins) == 1 else "comments"

    def review(self, request: ReviewRequest) -> Answer | None:
        """What stands on the pull request; None while nothing does. Raises HostError."""
        change = request.change
        if change.number is None or change.head_sha is None:
            return None
        known = {login.casefold() for login in self.logins}
        said = [
            one
            for one in self.host_of(change.repository).remarks(change.repository, change.number)
            if one.by.casefold() in known
        ]
        mine = [one for one in said if one.head_sha == change.head_sha]
        if not mine:
            return None
        words = [one for one in mine if one.file is None]
        first = change.files[0].path if change.files else ""
        remarks = [
            Remark(file=one.file, line=one.line or 0, severity="medium", kind="comment", message=one.body[:_LIMIT])
            for one in mine
            if one.file is not None and one.body.strip()
        ]
        remarks += [
            Remark(
                file=first, line=0, severity="high", kind="changes-requested", message=one.body[:_LIMIT] or "changes requested"
            )
            for one in words
            if one.state == "changes_requested"
        ]
        summary = next((one.body for one in reversed(words) if one.body.strip()), "")
        return Answer(summary=summary[:_LIMIT], remarks=tuple(remarks[:500]))
