"""Foreign Markdown as HTML that does nothing: no tags of theirs, no images, and links to web pages only."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

BUDGET = 4 * 65_536
"""Characters of one page that are read as Markdown; what follows stays plain text. The reader takes up to 30 microseconds for
a character of a text that is written to hurt it."""
_LONG_LINE = 400
"""A code block with a longer line is for programs, and shown only when asked for."""
_REMARK = re.compile(r"\A<!--[^\n]{0,200}?-->\n?")
_HEADINGS = {"h1": "h3", "h2": "h3", "h3": "h4", "h4": "h5", "h5": "h6", "h6": "h6"}
"""A comment's headings stand below the page's own."""


class _Renderer(RendererHTML):
    def fence(self, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
        """A block of code; a long one is folded."""
        text = tokens[at].content
        block = f"<pre><code>{html.escape(text)}</code></pre>\n"
        if max(map(len, text.splitlines()), default=0) <= _LONG_LINE:
            return block
        kind = html.escape(tokens[at].info.strip()[:20]) or "text"
        return f"<details><summary>{kind}, {len(text)} characters</summary>{block}</details>\n"

    def heading_open(self, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
        """A heading, lower than the page's."""
        return f"<{_HEADINGS[tokens[at].tag]}>"

    def heading_close(self, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
        """The end of it."""
        return f"</{_HEADINGS[tokens[at].tag]}>\n"

    def link_open(self, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType) -> str:
        """A link that tells the other side nothing."""
        return f'<a href="{html.escape(str(tokens[at].attrs["href"]))}" rel="noreferrer nofollow">'


def _reader() -> MarkdownIt:
    # CommonMark 0.31 with tables; "html: False" shows tags as text
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}, renderer_cls=_Renderer).enable("table").disable("image")
    made.validateLink = lambda url: url.startswith(("https://", "http://"))  # type: ignore[method-assign]
    return made


_READER = _reader()


class Rendered(str):
    """HTML made of escaped text and of tags of ours, which a template puts into a page as it is (markupsafe, `__html__`)."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def rendered(texts: Iterable[str]) -> Iterator[Rendered]:
    """Each text as HTML, safe to put into a page; `texts` are those of one page, and share its BUDGET."""
    left = BUDGET
    for text in texts:
        left -= len(text)
        if left < 0:
            yield Rendered(f"<pre>{html.escape(text)}</pre>")
        else:
            yield Rendered(_READER.render(_REMARK.sub("", text)))
