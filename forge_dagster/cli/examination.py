"""What `forge doctor` says of one thing."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One thing looked at. `missing`: Forge does not work without it; `note`: something works less well."""

    name: str
    state: Literal["fine", "note", "missing"]
    found: str
    advice: str = ""
