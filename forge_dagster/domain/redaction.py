"""Blanking secrets in what Forge writes down or shows: what the operator configured, and what looks like a credential.

It keeps an accident (a variable that is printed, an address with a password in a message) out of logs, findings and the ledger.
It is no defence against code that wants to smuggle a secret out in a form of its own: that one must never have had it.
"""

import base64
import enum
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

MASK = "[redacted]"

MIN_SECRET = 6
"""Characters of the shortest value that is blanked: a shorter one is part of ordinary words."""

KEY_LIMIT = 16 * 1024
"""Characters of a private key block that is not closed; RSA of 16,384 bits takes 12,700."""

_PIECE = 12
"""Characters of the shortest line, or encoded form, of a secret that is looked for by itself."""
_WRAPS = (76, 64)
"""Columns at which base64 is broken (RFC 2045, section 6.8; RFC 7468, section 2)."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A kind of credential: looked for only where one of `hints` stands in the text (in lower case)."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]


_FENCE = r"-----%s [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_BLOCK = _FENCE % "BEGIN" + rf"[\s\S]{{0,{KEY_LIMIT}}}?(?:" + _FENCE % "END" + r"|\Z)"
_NAME = r"(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"

_SHAPES = (
    # docs.github.com, "About authentication to GitHub", token formats; the long form of fine-grained tokens
    _Shape(
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    ),
    # Forge's own (hosts/embedded): kept as digests, so that no value of them is known
    _Shape(("forge_",), re.compile(r"\bforge_[a-z]{1,20}_[A-Za-z0-9_-]{40,60}")),
    # docs.aws.amazon.com, IAM, "IAM identifiers": AKIA is a long-term key's id, ASIA a temporary one's
    _Shape(("akia", "asia"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    # api.slack.com, "Token types", and incoming webhooks
    _Shape(("xox",), re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}")),
    _Shape(("hooks.slack.com",), re.compile(r"(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,200}")),
    # RFC 7468, section 10; OpenSSH and PGP write the same fence
    _Shape(("private key",), re.compile(_BLOCK)),
    # RFC 7519: header and claims are JSON objects, and '{"' in base64url is eyJ
    _Shape(("eyj",), re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")),
    # RFC 3986, section 3.2.1: the user information of an address
    _Shape(("://",), re.compile(r"(?<=://)[^\s/:@'\"]{0,100}:[^\s/@'\"]{1,250}(?=@)")),
    # RFC 6750 and RFC 7617
    _Shape(("authorization",), re.compile(r"(?i)(?<=authorization: )(?:basic|bearer|token) [A-Za-z0-9+/=._~-]{8,}")),
    # NAME=value as an environment or an address shows it, and "name": "value" as a configuration does
    _Shape(
        ("passw", "pwd", "secret", "token", "apikey", "accesskey", "privatekey", "_key", "-key", "credential"),
        re.compile(
            r"(?i)(?P<name>" + _NAME + r"[A-Za-z0-9_]{0,20})"
            r"(?:(?P<bare>=)[^\s\"'`,;&()\[\]{}<>]{8,500}|(?P<quoted>[\"']?\s{0,4}[:=]\s{0,4})(?P<quote>[\"'])[^\"'\s]{6,500}(?P=quote))"
        ),
    ),
)  # fmt: skip


def _blanked(match: re.Match[str]) -> str:
    """The name stays, so that one sees whose value it was."""
    found = match.groupdict()
    if not found.get("name"):
        return MASK
    if found["bare"]:
        return f"{found['name']}={MASK}"
    return f"{found['name']}{found['quoted']}{found['quote']}{MASK}{found['quote']}"


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is blanked. `literals` are all forms of the known secrets, the longest first; credentials by shape always are."""

    literals: tuple[str, ...] = ()
    encoded: tuple[bytes, ...] = ()

    @property
    def longest(self) -> int:
        """Bytes of the longest known form: as much may belong to a secret whose other part is not there yet."""
        return len(self.encoded[0]) if self.encoded else 0

    def text(self, text: str) -> str:
        """`text` with every known secret, and whatever has the shape of a credential, replaced by MASK. Idempotent."""
        for literal in self.literals:
            if literal in text:
                text = text.replace(literal, MASK)
        lower = text.lower()
        for shape in _SHAPES:
            if any(hint in lower for hint in shape.hints):
                text = shape.pattern.sub(_blanked, text)
        return text

    def data(self, data: bytes) -> bytes:
        """`data` without the known secrets. Shapes are left: a report must still say what it said of the code."""
        for literal in self.encoded:
            if literal in data:
                data = data.replace(literal, MASK.encode())
        return data

    def value(self, value: _T) -> _T:
        """The same with all its texts, also keys, through `text`: of plain JSON, tuples and models. What has none is itself."""
        return self._walked(value)  # type: ignore[no-any-return]

    def _walked(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, BaseModel):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            changed = {name: new for name, old in fields.items() if (new := self._walked(old)) is not old and new != old}
            return value.model_copy(update=changed) if changed else value
        if isinstance(value, Mapping):
            return {self._walked(key): self._walked(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)([self._walked(one) for one in value])
        return value

    def lines(self, log: Callable[[str], None]) -> Callable[[str], None]:
        """`log`, which from now on gets its lines through `text`."""
        return lambda line: log(self.text(line))


NOTHING_KNOWN = Redaction()
"""Blanks only what has the shape of a credential."""

Redactor = Callable[[], Redaction]
"""Gives what is to be blanked now: tokens are renewed while Forge runs."""


def open_key(data: bytes) -> int | None:
    """Where a private key block begins whose end is not there yet; None: there is none, or it is longer than a key."""
    begin = data.rfind(b"-----BEGIN ")
    if begin < 0 or len(data) - begin > KEY_LIMIT:
        return None
    head = data[begin : begin + 80]
    if b"PRIVATE KEY" not in head or b"PRIVATE KEY" in data[begin + len(head) :]:
        return None
    return begin


def redaction(secrets: Iterable[str]) -> Redaction:
    """A Redaction of these values, in the forms in which they get about; those under MIN_SECRET characters are left out."""
    forms: set[str] = set()
    for secret in {one.strip() for one in secrets}:
        if len(secret) < MIN_SECRET:
            continue
        forms |= _forms(secret)
        lines = [line.strip() for line in secret.splitlines()]
        if len(lines) > 1:  # a key: it is printed line by line
            forms |= {line for line in lines if len(line) >= _PIECE and not line.startswith("-----")}
    ordered = sorted(forms, key=lambda form: (-len(form.encode("utf-8", "surrogatepass")), form))
    return Redaction(tuple(ordered), tuple(form.encode("utf-8", "surrogatepass") for form in ordered))


def _forms(secret: str) -> set[str]:
    data = secret.encode("utf-8", "surrogatepass")
    written = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret, quote=False),
        html.escape(secret),
        html.escape(secret).replace("&#x27;", "&apos;"),
        quote_plus(data),
        *(quote(data, safe=safe) for safe in ("", "/", "~")),
    }
    percent = re.compile("%[0-9A-F]{2}")
    written |= {percent.sub(lambda match: match[0].lower(), form) for form in written if "%" in form}
    encoded = {data.hex(), data.hex().upper()} | _base64(data)
    return written | {form for form in encoded if len(form) >= _PIECE}


def _base64(data: bytes) -> set[str]:
    """What is the same in every base64 text that holds `data`: it depends on where in a group of three bytes `data` begins."""
    found: set[str] = set()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data).decode("ascii")
        core = text[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        found |= {core, core.replace("+", "-").replace("/", "_")}
        if offset == 0:
            found |= {core[at : at + width] for width in _WRAPS if len(core) > width for at in range(0, len(core), width)}
    return found
