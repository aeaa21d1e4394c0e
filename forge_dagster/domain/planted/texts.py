"""Faults that any repository can have, whatever its language."""

import random
import string

from forge_dagster.domain.planted.code import Draw
from forge_dagster.domain.planted.faults import Fault, Piece
from forge_dagster.domain.planted.sites import Site

_LETTERS = string.ascii_letters + string.digits
_OVERRIDE = chr(0x202E)
"""RIGHT-TO-LEFT OVERRIDE: what follows is shown backwards (CVE-2021-42574)."""


def secret_fault(site: Site | None, draw: Draw) -> Fault:
    """A token in the shape of GitHub's (docs.github.com, "About authentication to GitHub"), which opens nothing.

    Its characters are drawn, so it is in no list of allowed ones, and in none of Forge's own files.
    """
    mark = draw()
    token = "gh" + "p_" + "".join(random.Random(draw()).choice(_LETTERS) for _ in range(36))  # noqa: S311 - it opens nothing
    name = f"forge-planted-{mark}{site.ending if site is not None else '.txt'}"
    path = site.beside(name.replace("-", "_")) if site is not None else name
    text = f'const token = "{token}";\n' if site is not None and site.ending != ".py" else f'token = "{token}"\n'
    return Fault(
        gate="secrets", what="a credential that was never there before", mark=mark, pieces=(Piece(path=path, text=text),)
    )


def hidden_fault(site: Site | None, draw: Draw) -> Fault:
    """A line that reads otherwise than it is."""
    mark = draw()
    comment = "#" if site is None or site.ending == ".py" else "//"
    piece = Piece(
        path=site.path if site is not None else f"forge-planted-{mark}.txt",
        text=f"{comment} forge planted {_OVERRIDE}{mark}\n",
    )
    return Fault(gate="integrity", what="a hidden character that turns a line round", mark=mark, pieces=(piece,))
