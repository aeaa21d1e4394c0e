"""A planted fault, and the files that hold several of them at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from forge_dagster.domain.project import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A text that goes into the file at `path`: at its end, before line `before` (counted from 1), or in place of all of it."""

    path: str
    text: str
    before: int | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is planted for one gate, in words and in pieces. `mark` was drawn for it, and stands in the names it brings.

    `language` None: the gate looks for it whatever the language. `part`: folder of the further project of the repository that
    it stands in, which the gate judges on its own; "": the first of its language.
    """

    gate: str
    what: str
    mark: str
    pieces: tuple[Piece, ...]
    language: Language | None = None
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplanted:
    """A gate for which no fault can be planted here, and why."""

    gate: str
    reason: str
    language: Language | None = None
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planting:
    """Faults that stand in one scratch copy, since none disturbs another; each copy is one commit on top of what is judged."""

    name: str
    faults: tuple[Fault, ...]

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates that are to find something."""
        return tuple(dict.fromkeys(fault.gate for fault in self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is planted in a repository, and what cannot be."""

    plantings: tuple[Planting, ...] = ()
    unplanted: tuple[Unplanted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The changed files, and for each fault, in order, the lines that are its own by file; None: anywhere in it."""

    files: Mapping[str, str]
    places: tuple[Mapping[str, frozenset[int] | None], ...]


def planted(faults: Iterable[Fault], texts: Mapping[str, str]) -> Planted:
    """The files with all faults in them. `texts`: what the files that they go into hold now; one that is not there is new."""
    files: dict[str, list[str]] = {}
    places: list[dict[str, frozenset[int] | None]] = []
    given: list[tuple[int, Piece]] = []
    known: dict[Piece, frozenset[int]] = {}
    for number, fault in enumerate(faults):
        places.append({})
        given += [(number, piece) for piece in fault.pieces]
    for number, piece in sorted(given, key=lambda one: one[1].before is None):  # what is put at the end moves no line
        if piece.whole:
            files[piece.path] = _lines(piece.text)
            places[number][piece.path] = None
            continue
        if piece not in known:  # one that is the fault of two gates stands there once
            lines = files.setdefault(piece.path, _lines(texts.get(piece.path, "")))
            new = _lines(piece.text)
            at = len(lines) if piece.before is None else min(piece.before - 1, len(lines))
            lines[at:at] = new
            known[piece] = frozenset(range(at + 1, at + 1 + len(new)))
        places[number][piece.path] = (places[number].get(piece.path) or frozenset()) | known[piece]
    return Planted(files={path: "\n".join(lines) + "\n" for path, lines in files.items()}, places=tuple(places))


def _lines(text: str) -> list[str]:
    """Lines as tools count them: nothing but a line feed ends one."""
    return text.removesuffix("\n").split("\n") if text else []
