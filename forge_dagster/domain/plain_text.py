"""Making foreign text (titles, names, messages) harmless to store and to show in one line."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are not to be seen: controls, invisible and bidirectional formats, surrogates, unassigned."""


def one_line(text: str, limit: int = 200) -> str:
    """`text` without line breaks, control, invisible and bidirectional characters, at most `limit` characters long.

    Never contains a lone surrogate, so it can be encoded; a cut text ends in "…".
    """
    window = text[: limit * 4]  # hostile text may be huge: look only at what could be kept
    kept = "".join(" " if c.isspace() else "" if unicodedata.category(c) in _HIDDEN else c for c in window)
    kept = " ".join(kept.split())
    cut = len(kept) > limit or len(text) > len(window)
    return kept[: limit - 1].rstrip() + "…" if cut and limit > 0 else kept
