"""Who may write what: pure rules over names that come from people, agents and attackers."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["agent", "operator", "forge", "read"]
KINDS: tuple[Kind, ...] = ("agent", "operator", "forge", "read")

ZERO = "0" * 40
TITLE_LIMIT = 256
"""Characters of a title (GitHub's own limit)."""
BODY_LIMIT = 65_536
"""Characters of a body or comment (GitHub's own limit)."""
NOTE_LIMIT = 100
"""Characters of what a token is said to be for."""

_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,37}[A-Za-z0-9])?(?:/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,37}[A-Za-z0-9])?)?")
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/(?!\.)[A-Za-z0-9._-]{1,100}")
_REF_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$|\.lock(?:/|$)|(?:^|/)\.|^-|^/|^@$")
_FOR = "refs/for/"


RESERVED = frozenset({"api", "dagster", "healthz", "login", "logout", "static", "webhooks"})
"""Names of owners that would stand where the server has something else."""


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One line of a push: `ref` goes from `old` to `new` (ZERO: absent)."""

    old: str
    new: str
    ref: str


def is_login(text: str) -> bool:
    """Letters, digits, dots, dashes, underscores; at most one slash, as in `forge/builder-01`."""
    return _LOGIN.fullmatch(text) is not None and is_ref_name(text)


def is_repository(text: str) -> bool:
    """`owner/name` that is safe as a folder and as an address; a name may not end in .git."""
    safe = _REPOSITORY.fullmatch(text) is not None and not text.endswith((".git", ".lock", ".")) and ".." not in text
    return safe and text.partition("/")[0].lower() not in RESERVED


def is_ref_name(text: str) -> bool:
    """Whether git takes it as (part of) a ref name (`git help check-ref-format`), and it does not start with a dash."""
    return 0 < len(text) <= 200 and _REF_BAD.search(text) is None


def one_line(text: str, limit: int = TITLE_LIMIT) -> str:
    """`text` as one printable line: control, invisible and direction characters dropped, blanks joined, cut at `limit`."""
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or c.isprintable())
    return " ".join(kept.split())[:limit].rstrip()


def slug(text: str, limit: int = 60) -> str:
    """A branch name's last part made of `text`: lower case letters, digits, dots and dashes; never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    parts = re.sub(r"[^a-z0-9.]+", "-", plain)[:limit].strip("-.")
    made = re.sub(r"\.{2,}", ".", parts).removesuffix(".lock").strip("-.")
    return made or "change"


def head_branch(login: str, kind: Kind, topic: str) -> str:
    """Where a change pushed to refs/for lands: `agents/<login>/<topic>`, for people `users/<login>/<topic>`."""
    return f"{'agents' if kind == 'agent' else 'users'}/{login}/{slug(topic)}"


def target_branch(ref: str) -> str | None:
    """The branch a push to `refs/for/<branch>` is meant for, else None."""
    return ref.removeprefix(_FOR) if ref.startswith(_FOR) and len(ref) > len(_FOR) else None


def how_to_open(branch: str) -> str:
    """What to type instead of a direct push."""
    return f'git push origin HEAD:refs/for/{branch} -o title="..."'


def refusal(
    update: RefUpdate,
    *,
    login: str,
    kind: Kind,
    protected: Sequence[str],
    empty: bool,
    heads: Mapping[str, str],
) -> str | None:
    """Why `login` may not make this update by a push or by REST, or None.

    `empty`: the repository has no branch yet. `heads`: head branch of each open pull request -> its author.
    Protected branches move by Forge's merge alone; an operator's import of the first `main` is the one exception.
    """
    ref = update.ref
    if kind == "read":
        return "this token may only read"
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    if target_branch(ref) is not None:
        return "a change to review cannot be deleted: close the pull request" if update.new == ZERO else None
    if ref.startswith("refs/tags/"):
        return _tag_refusal(update, kind)
    if branch is None or not is_ref_name(branch):
        return f"only branches, tags and refs/for/<branch> can be pushed, not {ref}"
    if branch in protected:
        return _protected_refusal(update, branch, kind, empty=empty, first=protected[0])
    if branch.startswith("forge/") and kind != "forge":
        return f"{branch} is written by Forge alone"
    if kind == "agent":
        return _agent_refusal(branch, login, heads)
    return None


def _tag_refusal(update: RefUpdate, kind: Kind) -> str | None:
    if kind == "agent":
        return "agents do not push tags"
    return "a tag does not move: push another name" if update.old != ZERO else None


def _protected_refusal(update: RefUpdate, branch: str, kind: Kind, *, empty: bool, first: str) -> str | None:
    if update.new == ZERO:
        return f"{branch} is protected and cannot be deleted"
    if kind == "forge" or (empty and kind == "operator" and branch == first):
        return None
    return f"{branch} is protected: only Forge merges into it. Open a pull request instead:\n    {how_to_open(branch)}"


def _agent_refusal(branch: str, login: str, heads: Mapping[str, str]) -> str | None:
    if branch.startswith("agents/") and branch.rpartition("/")[0] != f"agents/{login}":
        return f"{branch} belongs to another agent; yours start with agents/{login}/"
    if branch.startswith("users/"):
        return f"{branch} belongs to a person; yours start with agents/{login}/"
    author = heads.get(branch, login)
    return None if author == login else f"{branch} is the head of a pull request by {author}, whose work it is judged as"
