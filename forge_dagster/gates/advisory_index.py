"""The operator's advisories by package: an SQLite file of Forge's own beside them, brought up to date before it is asked.

A mirror holds some 100,000 advisories, which take a minute to read; the index reads again only what is another file than last
time (by its size and time of modification). Files in folders that have not changed are looked at once an hour: programs that
mirror write a file beside and rename it, which shows in its folder. The index lies in Forge's home, where nothing that a change
brings can write.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge_dagster.domain.advisories import HINT, MAX_ADVISORY, Advisory, excerpt, parse_advisory
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.sbom import Ecosystem
from forge_dagster.errors import ForgeError

_SCHEMA = "1"
_MOST_FILES = 2_000_000
"""Files or members of a zip that are looked at; all of osv.dev for npm, malicious packages included, is some 300,000."""
_ADVISORIES_OF = "SELECT name, body FROM advisories WHERE ecosystem = ? AND name IN (SELECT value FROM json_each(?))"
_DATABASES, _THEIRS = frozenset({"trivy.db", "trivy-java.db"}), "metadata.json"
"""trivy's own databases, and what it keeps beside each of them, which is no advisory."""
_LOOK_S = 3600.0
"""Seconds after which every file of an unchanged folder is looked at again."""
_SOME = 500
"""Advisories that `some_advisories` gives at most."""
_BUSY_S = 600.0
"""Seconds to wait for another run that reads the same mirror."""
_TABLES = """
CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY, path TEXT UNIQUE, stamp TEXT);
CREATE TABLE IF NOT EXISTS advisories (file INTEGER, ecosystem TEXT, name TEXT, id TEXT, modified TEXT, body TEXT);
CREATE INDEX IF NOT EXISTS by_package ON advisories (ecosystem, name);
CREATE INDEX IF NOT EXISTS by_file ON advisories (file);
CREATE TABLE IF NOT EXISTS folders (path TEXT PRIMARY KEY, stamp TEXT);
CREATE TABLE IF NOT EXISTS looked (at REAL);
CREATE TABLE IF NOT EXISTS facts (ecosystem TEXT PRIMARY KEY, count INTEGER, newest TEXT);
"""

Log = Callable[[str], None]


class AdvisoriesUnreadable(ForgeError):
    """The operator's advisories are missing or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisories:
    """The advisories about the packages asked for. `counts` and `newest`: how many there are per ecosystem, and how new."""

    by_package: Mapping[tuple[str, str], Sequence[Advisory]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    newest: Mapping[str, str] = field(default_factory=dict)


def advisories_of(
    sources: Sequence[Path],
    packages: Iterable[tuple[Ecosystem, str]],
    *,
    folder: Path,
    now: float,
    log: Log = lambda _line: None,
) -> Advisories:
    """What `sources` (folders and zip files) say of `packages`. `folder` is for the index, `now` seconds since the epoch.

    Raises AdvisoriesUnreadable.
    """
    wanted = sorted({(ecosystem.value, name) for ecosystem, name in packages})
    place = _place(folder, sources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return _asked(place, sources, wanted, now, log)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # busy, disk full: nothing that a new file would mend
            log(f"the index of the advisories is damaged ({error}); making it anew")
            place.unlink(missing_ok=True)
            return _asked(place, sources, wanted, now, log)
    except (sqlite3.Error, OSError) as error:
        raise AdvisoriesUnreadable(
            f"the index of the advisories cannot be used ({error})", hint=f"free disk space, or remove {place}"
        ) from error


def _asked(place: Path, sources: Sequence[Path], wanted: Sequence[tuple[str, str]], now: float, log: Log) -> Advisories:
    with contextlib.closing(sqlite3.connect(place, timeout=_BUSY_S, isolation_level=None)) as database:
        database.executescript(_TABLES)
        if not _is_known(database, sources, now):
            _refresh(database, _Mirror(sources), now, log)
        facts = {row[0]: (row[1], row[2]) for row in database.execute("SELECT ecosystem, count, newest FROM facts")}
        found: dict[tuple[str, str], list[Advisory]] = {}
        for ecosystem in sorted({ecosystem for ecosystem, _ in wanted}):
            names = [name for one, name in wanted if one == ecosystem]
            for name, body in database.execute(_ADVISORIES_OF, (ecosystem, json.dumps(names))):
                found.setdefault((ecosystem, name), []).append(_stored(body))
    return Advisories(
        by_package=found,
        counts={ecosystem: count for ecosystem, (count, _) in facts.items()},
        newest={ecosystem: newest for ecosystem, (_, newest) in facts.items()},
    )


def some_advisories(
    sources: Sequence[Path], ecosystem: Ecosystem, *, folder: Path, now: float, log: Log = lambda _line: None
) -> tuple[Advisory, ...]:
    """Some of what `sources` hold about an ecosystem, each as it is about one package. Raises AdvisoriesUnreadable."""
    advisories_of(sources, (), folder=folder, now=now, log=log)
    try:
        with contextlib.closing(sqlite3.connect(_place(folder, sources), timeout=_BUSY_S)) as database:
            query = "SELECT body FROM advisories WHERE ecosystem = ? ORDER BY id DESC LIMIT ?"
            return tuple(_stored(body) for (body,) in database.execute(query, (ecosystem.value, _SOME)))
    except sqlite3.Error as error:
        hint = f"remove {folder}"
        raise AdvisoriesUnreadable(f"the index of the advisories cannot be used ({error})", hint=hint) from error


def _place(folder: Path, sources: Sequence[Path]) -> Path:
    name = hashlib.sha256("\0".join(sorted(str(source) for source in sources)).encode("utf-8", "surrogatepass")).hexdigest()
    return folder / f"{name[:16]}-{_SCHEMA}.sqlite"


def _stored(body: str) -> Advisory:
    try:
        return parse_advisory(load_json(body))
    except (ValueError, RecursionError) as error:
        raise sqlite3.DatabaseError(f"a stored advisory cannot be read: {error}") from error


# --- reading the mirror ------------------------------------------------------------------------------------------------


class _Mirror:
    """The operator's files as they are now: each file and folder with what tells it from another version of itself.

    Raises AdvisoriesUnreadable.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}
        for source in sources:
            try:
                self._look(source)
            except OSError as error:
                said = f"the advisories in {source} cannot be read ({error.strerror})"
                raise AdvisoriesUnreadable(said, hint=HINT) from error
        if not self.files:
            raise AdvisoriesUnreadable(f"there is no advisory in {', '.join(map(str, sources))}", hint=HINT)

    def _look(self, source: Path) -> None:
        if not source.is_dir():
            self.files[str(source)] = _stamp(source.stat())
            return
        waiting = [str(source)]
        while waiting:
            folder = waiting.pop()
            self.folders[folder] = _stamp(Path(folder).stat())  # before its files: what is added meanwhile shows next time
            with os.scandir(folder) as entries:
                found = list(entries)
            theirs = {_THEIRS} if any(entry.name in _DATABASES for entry in found) else set()
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.endswith((".json", ".zip")) and entry.name not in theirs and entry.is_file():
                    self.files[entry.path] = _stamp(entry.stat())
            if len(self.files) > _MOST_FILES:
                raise AdvisoriesUnreadable(f"{source} holds more files than a mirror has", hint=HINT)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}:{status.st_size}"


def _is_known(database: sqlite3.Connection, sources: Sequence[Path], now: float) -> bool:
    """Whether all was looked at within the hour, and no folder or zip is another since."""
    looked = database.execute("SELECT MAX(at) FROM looked").fetchone()[0]
    if looked is None or not 0 <= now - looked < _LOOK_S:
        return False
    folders = dict(database.execute("SELECT path, stamp FROM folders"))
    single = [str(source) for source in sources if str(source) not in folders]
    query = "SELECT path, stamp FROM files WHERE path LIKE '%.zip'"
    files = dict(database.execute(query))
    for path in single:
        files |= dict(database.execute("SELECT path, stamp FROM files WHERE path = ?", (path,))) or {path: ""}
    try:
        return all(_stamp(Path(path).stat()) == stamp for path, stamp in (*folders.items(), *files.items()))
    except OSError:
        return False


def _refresh(database: sqlite3.Connection, mirror: _Mirror, now: float, log: Log) -> None:
    """Bring the index up to date, as a whole or not at all. Raises AdvisoriesUnreadable, sqlite3.Error."""
    database.execute("PRAGMA synchronous = OFF")  # a power cut may damage it, and then it is made anew
    database.execute("BEGIN IMMEDIATE")
    try:
        known = dict(database.execute("SELECT path, stamp FROM files"))
        gone = [path for path, stamp in known.items() if mirror.files.get(path) != stamp]
        new = [path for path, stamp in mirror.files.items() if known.get(path) != stamp]
        for path in gone:
            database.execute("DELETE FROM advisories WHERE file = (SELECT id FROM files WHERE path = ?)", (path,))
            database.execute("DELETE FROM files WHERE path = ?", (path,))
        if new:
            log(f"reading {len(new)} file{'s' if len(new) > 1 else ''} of advisories that are new")
        for path in new:
            values = (path, mirror.files[path])
            number = database.execute("INSERT INTO files (path, stamp) VALUES (?, ?)", values).lastrowid
            database.executemany("INSERT INTO advisories VALUES (?, ?, ?, ?, ?, ?)", _rows(number, path))
        if gone or new:
            database.execute("DELETE FROM facts")
            database.execute(
                "INSERT INTO facts SELECT ecosystem, COUNT(DISTINCT id), MAX(modified) FROM advisories GROUP BY ecosystem"
            )
        database.execute("DELETE FROM folders")
        database.executemany("INSERT INTO folders VALUES (?, ?)", mirror.folders.items())
        database.execute("DELETE FROM looked")
        database.execute("INSERT INTO looked VALUES (?)", (now,))
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _rows(number: int | None, path: str) -> Iterator[tuple[Any, ...]]:
    for where, content in _contents(path):
        try:
            data = load_json(content)
            advisory = parse_advisory(data)
        except (ValueError, RecursionError) as error:
            said = str(error)[:200]
            raise AdvisoriesUnreadable(f"{where} is no advisory in the OSV format: {said}", hint=HINT) from error
        if advisory.withdrawn:
            continue
        for ecosystem, name in dict.fromkeys((entry.ecosystem, entry.name) for entry in advisory.affected):
            body = json.dumps(excerpt(data, ecosystem, name))
            yield number, ecosystem.value, name, advisory.id, advisory.modified, body


def _contents(path: str) -> Iterator[tuple[str, bytes]]:
    """(Where, content) of a file or of each member of a zip. Raises AdvisoriesUnreadable."""
    try:
        if not path.endswith(".zip"):
            with Path(path).open("rb") as file:
                yield path, _bounded(path, file.read(MAX_ADVISORY + 1))
            return
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".json")]
            if len(members) > _MOST_FILES:
                raise AdvisoriesUnreadable(f"{path} holds more files than a mirror has", hint=HINT)
            for member in members:
                where = f"{path}:{member.filename}"
                with archive.open(member) as stream:
                    yield where, _bounded(where, stream.read(MAX_ADVISORY + 1))
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise AdvisoriesUnreadable(f"{path} cannot be read ({error}); fetch it again", hint=HINT) from error
    except zlib.error as error:
        raise AdvisoriesUnreadable(f"{path} is damaged ({error}); fetch it again", hint=HINT) from error


def _bounded(where: str, content: bytes) -> bytes:
    if len(content) > MAX_ADVISORY:
        raise AdvisoriesUnreadable(f"{where} is larger than an advisory can be", hint=HINT)
    return content
