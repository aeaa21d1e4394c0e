"""Reading data that others wrote: JSON, TOML, YAML and XML with bounds, so that no text costs far more than its length.

The parsers of the standard library and libyaml are safe against what is not well-formed; these bounds are for what is, and was
made to exhaust memory, stack or time. Each refusal is a ValueError that says what was too much.
"""

import configparser
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

MAX_VALUES = 5_000_000
"""Values in one document: about 0.5 GB of Python objects, and ten times the largest report seen."""
MAX_DOTTED = 200
"""Parts of a dotted TOML key: tomllib takes time in the square of them (20,000 take 7 s)."""

_DOTTED = re.compile(r"(?<![\w\"'.-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){%d}" % MAX_DOTTED)  # noqa: UP031 - braces are the pattern's


class TooMuch(ValueError):
    """The document is larger than any that is written in good faith; the message says in what."""


def load_json(data: str | bytes) -> Any:
    """Any JSON value. Raises ValueError: no JSON, nested too deeply, or TooMuch."""
    comma, open_list, open_object = (",", "[", "{") if isinstance(data, str) else (b",", b"[", b"{")
    values = data.count(comma) + data.count(open_list) + data.count(open_object)  # type: ignore[arg-type]
    if values > MAX_VALUES:
        raise TooMuch(f"it holds about {values} values, more than {MAX_VALUES}")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise TooMuch("it is nested too deeply") from error


def load_toml(text: str) -> dict[str, Any]:
    """A TOML document. Raises tomllib.TOMLDecodeError for whatever is wrong with it, too much included."""
    if len(text) > MAX_VALUES:
        raise tomllib.TOMLDecodeError(f"it is longer than {MAX_VALUES} characters")
    if _DOTTED.search(text):
        raise tomllib.TOMLDecodeError(f"it has a key of more than {MAX_DOTTED} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, RecursionError) as error:  # a date that is none, a number of 5,000 digits, deep nesting
        raise tomllib.TOMLDecodeError(f"it cannot be read ({type(error).__name__})") from error


def load_ini(text: str, *, fold_case: bool = True) -> dict[str, dict[str, str]]:
    """Section -> key -> value of an ini file; "" for a key without one. Raises ValueError."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    if not fold_case:
        parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except (
        configparser.Error,
        AttributeError,
    ) as error:  # Python's own fault: a value below a key with none
        raise ValueError(f"it cannot be read ({type(error).__name__})") from error
    return {section: {key: value or "" for key, value in parser.items(section)} for section in parser.sections()}


def load_xml(data: bytes) -> "ET.Element":
    """The root of an XML document without a DOCTYPE, so that no entity is ever declared. Raises ValueError."""
    import xml.etree.ElementTree as ET

    class Builder(ET.TreeBuilder):
        def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
            raise TooMuch("it has a DOCTYPE")

    text = data.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text.count("<") + text.count("=") > MAX_VALUES:
        raise TooMuch(f"it holds more than {MAX_VALUES} elements and attributes")
    parser = ET.XMLParser(target=Builder())  # noqa: S314 - a DOCTYPE is refused
    try:
        parser.feed(re.sub(r"\A<\?xml[^>]{0,1000}\?>", "", text))
        root: ET.Element = parser.close()
    except (ET.ParseError, RecursionError, AssertionError) as error:
        raise ValueError(f"it is not XML ({error})") from error
    return root
