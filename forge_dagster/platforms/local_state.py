"""What the local platform remembers: a file per environment, changed under one lock, readable by any process of the home."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forge_dagster.domain.releases import slug
from forge_dagster.errors import PlatformError
from forge_dagster.platforms.envoy_config import RoutedEnvironment
from forge_dagster.platforms.local_process import free_port


class LocalState:
    """The environments of a home. Raises PlatformError where they cannot be read or written."""

    def __init__(self, *, home: Path) -> None:
        self._folder = home.absolute() / "envoy"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile. Not reentrant."""
        from filelock import FileLock, Timeout

        folder = self._folder
        try:
            (folder / "environments").mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(folder / "lock", timeout=120):
                yield
        except Timeout as error:
            raise PlatformError(f"another process has held {folder / 'lock'} for two minutes", hint="try again") from error
        except OSError as error:
            raise unwritable(folder, error) from error

    def load(self, environment: str, *, save: bool = False) -> RoutedEnvironment:
        """The environment; a new one (with a free port, kept only if `save`) where it is not known."""
        path = self._path(environment)
        try:
            return RoutedEnvironment.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            routed = RoutedEnvironment(environment=environment, port=free_port())
            if save:
                self.save(routed)
            return routed
        except (OSError, ValueError) as error:
            raise PlatformError(f"{path} cannot be read: {error}", hint="move it away and release again") from error

    def all(self) -> list[RoutedEnvironment]:
        """Every environment."""
        files = sorted((self._folder / "environments").glob("*.json"))
        return [RoutedEnvironment.model_validate_json(file.read_bytes()) for file in files]

    def save(self, routed: RoutedEnvironment) -> None:
        """Remember it."""
        path = self._path(routed.environment)
        try:
            write_json(path, routed.model_dump(mode="json"))
        except OSError as error:
            raise unwritable(path, error) from error

    def _path(self, environment: str) -> Path:
        return self._folder / "environments" / f"{slug(environment)}.json"


def write_json(path: Path, value: Any) -> None:
    """Replace the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.write_text(json.dumps(value, indent=1))
    fresh.replace(path)


def unwritable(path: Path, error: OSError) -> PlatformError:
    """The error to raise for a folder or file that cannot be written."""
    return PlatformError(f"cannot write to {path}: {error.strerror or error}", hint="check the disk and Forge's home")
