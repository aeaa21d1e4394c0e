"""`settings.toml` in Forge's home: text to Settings, with every fault named."""

import tomllib
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from forge_dagster.domain.foreign import load_toml
from forge_dagster.domain.policy import did_you_mean
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import ConfigurationError

SETTINGS_FILE = "settings.toml"

_BY_HAND = "home"
"""The one field that is not a key of the file: where the file lies is what the home is."""


def parse_settings(text: str, *, home: Path, where: str = SETTINGS_FILE) -> Settings:
    """Read the operator's settings; an empty text gives the defaults. `where` starts each message.

    Raises ConfigurationError for broken TOML, an unknown key (with "did you mean") and a value out of range.
    """
    try:
        data = load_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not valid TOML: {error}", hint="correct the file") from error
    if _BY_HAND in data:
        raise ConfigurationError(f'{where}: unknown key "{_BY_HAND}"', hint="set FORGE_HOME or pass --home instead")
    try:
        return Settings.model_validate({**data, "home": home})
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            meant = did_you_mean(str(first["loc"][-1]), _known_keys(first["loc"]))
            raise ConfigurationError(f'{where}: unknown key "{path}"{meant}', hint="remove it or correct its name") from error
        raise ConfigurationError(f"{where}: {path}: {first['msg']}", hint=f"correct {path}") from error


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Names allowed beside the key at `location`."""
    model: type[BaseModel] | None = Settings
    for part in location[:-1]:
        field = model.model_fields.get(part) if model is not None and isinstance(part, str) else None
        if isinstance(part, str):
            model = _model_of(field.annotation) if field is not None else None
    return [name for name in model.model_fields if name != _BY_HAND] if model is not None else []


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model an annotation holds: itself, or inside tuple[...], dict[...] or `| None`."""
    if typing.get_origin(annotation) is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_of(part)) is not None), None)
