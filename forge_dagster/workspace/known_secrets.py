"""The secrets that this Forge holds, read from where the operator keeps them, so that they can be blanked."""

import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from forge_dagster.domain.redaction import Redaction, redaction

FOLDERS = ("secrets", "keys")
"""Folders of the home in which every file is a secret, but for public keys and certificates."""

_FILES_LIMIT = 500
_SIZE_LIMIT = 64 * 1024
"""Bytes of a file of secrets that are read; a token or key has far fewer."""
_NAMED = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|(?:API|ACCESS|PRIVATE|SIGNING)_?KEY", re.IGNORECASE)
_PLACES = ("_FILE", "_PATH", "_DIR", "_URL")
_VALUE = 8
"""Characters of the shortest variable that is blanked; a shorter one is a switch or a word."""


def from_environment(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the variables whose names say that they are secrets."""
    return tuple(
        value
        for name, value in environment.items()
        if _NAMED.search(name) and not name.upper().endswith(_PLACES) and len(value) >= _VALUE and not value.startswith("/")
    )


class KnownSecrets:
    """Gives the Redaction of `values` and of what is in `files` and in the FOLDERS of `home` at the time.

    A file that is renewed while Forge runs is read again; one that cannot be read holds nothing. Threads may share it.
    """

    def __init__(self, home: Path, *, values: Iterable[str] = (), files: Sequence[Path] = ()) -> None:
        self._home, self._values, self._files = home, tuple(values), tuple(files)
        self._lock = threading.Lock()
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._made = Redaction()

    def __call__(self) -> Redaction:
        """What is to be blanked now."""
        seen = tuple(self._stamps())
        with self._lock:
            if seen != self._seen:
                self._made = redaction([*self._values, *_contents(path for path, _, _ in seen)])
                self._seen = seen
            return self._made

    def _stamps(self) -> Iterator[tuple[str, int, int]]:
        for path in [*(str(file.expanduser()) for file in self._files), *self._in_folders()]:
            try:
                status = os.stat(path)  # noqa: PTH116 - on every process that is started
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_mtime_ns, status.st_size

    def _in_folders(self) -> Iterator[str]:
        left = _FILES_LIMIT
        for folder in FOLDERS:
            for directory, _, names in os.walk(self._home / folder):
                for name in sorted(names)[:left]:
                    yield f"{directory}/{name}"
                left -= min(left, len(names))


def _contents(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                text = file.read(_SIZE_LIMIT).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if "PRIVATE" in text or not ("PUBLIC KEY" in text or "CERTIFICATE" in text):
            yield text
