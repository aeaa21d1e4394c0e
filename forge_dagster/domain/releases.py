"""What a built artifact says of itself, and the names that platform and signals agree on for a running release."""

import hashlib
import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forge_dagster.domain.foreign import load_json
from forge_dagster.errors import PlatformError

MANIFEST_FILE = "forge-artifact.json"

RELEASE_HEADER = "x-forge-release"
"""A request with this header reaches the named release whatever its weight: smoke tests before traffic."""

Kind = Literal["service", "static", "worker", "library"]


class Manifest(BaseModel):
    """`forge-artifact.json`, schema "forge.artifact/1". `environment`: text, or paths inside the artifact to be joined."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Literal["forge.artifact/1"] = Field(default="forge.artifact/1", alias="schema")
    kind: Kind
    command: tuple[str, ...] = ()
    health: str = Field(default="/health", pattern=r"^/[^\s]*$")
    environment: Mapping[str, str | tuple[str, ...]] = Field(default_factory=dict)
    directory: str = ""
    """Kind static: the folder of the artifact that is served."""

    @property
    def takes_traffic(self) -> bool:
        """Whether requests can be split between two releases of it."""
        return self.kind in ("service", "static")


def parse_manifest(text: str, *, where: str) -> Manifest:
    """Read `forge-artifact.json`. Raises PlatformError, naming the first fault."""
    try:
        return Manifest.model_validate(load_json(text))
    except (ValueError, RecursionError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else None
        said = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" if fault else str(error)
        raise PlatformError(f"{where}: {MANIFEST_FILE} cannot be used: {said}", hint="build the artifact again") from error


def slug(name: str) -> str:
    """A name that is safe as file, program and cluster name, and different for different `name`s: words and 8 hex digits."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48].strip("-")
    return f"{words}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def cluster_name(environment: str, release: str) -> str:
    """Envoy's name for `release` in `environment`: without dots, which separate the parts of a statistic's name."""
    return f"{slug(environment)}__{slug(release)}"
