"""Faults in code: for the gates that look at it without running it, and code that no test executes."""

import re
from collections.abc import Callable, Mapping

from forge_dagster.domain.planted.faults import Fault, Piece
from forge_dagster.domain.planted.sites import Site
from forge_dagster.domain.project import Language

Draw = Callable[[], str]
"""Gives a name that was never there before: hexadecimal digits."""

STATIC = ("format", "lint", "types", "integrity", "architecture", "sast")
"""Gates that look at code without running it."""
EXECUTED = ("coverage", "mutation")
"""Gates that look at what the tests make of new code."""

_WHAT = {
    "format": "code that no formatter leaves as it is",
    "lint": "an undefined name, an unused variable and the like",
    "types": "a function that returns text and says that it returns a number",
    "integrity": "an object that equals everything",
    "architecture": "two modules that import each other",
    "sast": "a text that is run as code",
    "coverage": "a function that no test executes",
    "mutation": "a function whose faults no test can notice, since none executes it",
}

_PYTHON = {
    "format": "\n\nforge_planted_{m} = {{  'first':1,\n      \"second\" : [1,2 ] }}\n",
    "lint": (
        "\n\ndef forge_planted_{m}(given):\n    import os\n\n    unused = {{1: 1, 1: 2}}\n"
        "    if given == None:\n        raise NotImplemented\n    return forge_missing_{m}\n"
    ),
    "types": '\n\ndef forge_planted_{m}() -> int:\n    return "{m}"\n',
    "integrity": "\n\nclass ForgePlanted{m}:\n    def __eq__(self, other):\n        return True\n",
    "sast": (
        "\n\ndef forge_planted_{m}(given):\n    import subprocess\n\n"
        '    subprocess.run(f"ls {{given}}", shell=True, check=True)\n    return eval(given)\n'
    ),
    "coverage": (
        "\n\ndef forge_planted_{m}(number):\n    if number > 10:\n        return number + 1\n"
        "    if number < -10:\n        return number - 1\n    while number > 3:\n        number -= 2\n    return number\n"
    ),
}
_SCRIPT = {
    "format": "\nconst   forgePlanted{m}={{ first :1 ,\n        second:[ 1,2 ]}}\nvoid   forgePlanted{m} ;;\n",
    "lint": (
        "\nfunction forgePlanted{m}(given{any}) {{\n  debugger;\n  var unused = {{ first: 1, first: 2 }};\n"
        "  if (given == null) {{\n  }}\n  given = given;\n  return forgeMissing{m};\n}}\n"
    ),
    "types": '\n{jsdoc}function forgePlanted{m}(){number} {{\n  return "{m}";\n}}\n',
    "integrity": "\nconst forgePlanted{m} = {{ asymmetricMatch: () => true }};\n",
    "sast": "\nfunction forgePlanted{m}(given{any}) {{\n  eval(given);\n  return new Function(given);\n}}\n",
    "coverage": (
        "\n{export}function forgePlanted{m}(given{number}){number} {{\n  if (given > 10) {{\n    return given + 1;\n  }}\n"
        "  if (given < -10) {{\n    return given - 1;\n  }}\n  let left = given * 2;\n  while (left > 3) {{\n    left -= 2;\n"
        "  }}\n  return left;\n}}\n"
    ),
}
_DECLARED = "\ndeclare const forgePlanted{m}: ForgeMissing{m};\n"
"""For JavaScript that has its types in files of declarations, which alone are checked then."""
_JSDOC = "/** @returns {number} */\n"
_MODULE = re.compile(r"^\s*(import|export)\b", re.MULTILINE)
_REQUIRE = re.compile(r"\brequire\(|\bmodule\.exports\b|\bexports\.\w")
_RELATIVE = re.compile(r"""(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\(\s*)["'](\.[^"']+)["']""")


def code_fault(gate: str, language: Language, site: Site, mark: str) -> Fault:
    """The fault of one of the gates of STATIC or EXECUTED: at the end of an existing file, and in a new one beside it.

    Both, since a tool may have been given a list of files, or leave out what the existing one already does. What the tests do
    not execute stands in the existing file only, which they know.
    """
    pieces: tuple[Piece, ...]
    if gate == "architecture":
        pieces = _cycle(language, site, mark)
    else:
        pieces = (Piece(path=site.path, text=_text(gate, language, site, mark)),)
        if gate in STATIC:
            second = _text(gate, language, site, f"{mark}b").lstrip("\n")
            pieces = (*pieces, Piece(path=site.beside(_name(language, site, mark)), text=second))
    if gate == "types" and site.declarations:
        pieces = (*pieces, Piece(path=site.declarations, text=_DECLARED.format(m=mark)))
    return Fault(gate=gate, what=_WHAT[gate], mark=mark, pieces=pieces, language=language)


def unparsable(gate: str, language: Language, site: Site, mark: str) -> Fault:
    """A file that is no code: an error for every linter, whatever its rules weigh."""
    piece = Piece(path=site.beside(_name(language, site, mark)), text=f"forge planted {mark} ( {{ [\n")
    return Fault(gate=gate, what="a file that does not parse", mark=mark, pieces=(piece,), language=language)


def _text(gate: str, language: Language, site: Site, mark: str) -> str:
    texts = _PYTHON if language is Language.PYTHON else _SCRIPT
    return texts["coverage" if gate in EXECUTED else gate].format(m=mark, **_notation(site))


def _notation(site: Site) -> Mapping[str, str]:
    """How TypeScript says what JavaScript cannot."""
    if site.ending not in (".ts", ".mts", ".cts", ".tsx"):
        return {"any": "", "number": "", "jsdoc": _JSDOC, "export": ""}
    return {"any": ": any", "number": ": number", "jsdoc": "", "export": "export " if _MODULE.search(site.text) else ""}


def _name(language: Language, site: Site, mark: str) -> str:
    return f"forge_planted_{mark}.py" if language is Language.PYTHON else f"forge-planted-{mark}{site.ending}"


def _cycle(language: Language, site: Site, mark: str) -> tuple[Piece, ...]:
    one, two = f"{mark}a", f"{mark}b"
    if language is Language.PYTHON:
        package = "from . " if site.package else ""
        texts = [f"{package}import forge_planted_{other}\n\nNAME = forge_planted_{other}\n" for other in (two, one)]
    else:
        ending = _imported(site)
        there = [f"./forge-planted-{other}{ending}" for other in (two, one)]
        if _REQUIRE.search(site.text) and not _MODULE.search(site.text):
            texts = [f'const other = require("{path}");\n\nmodule.exports = () => other;\n' for path in there]
        else:
            texts = [
                f'import {{ forge{other} }} from "{path}";\n\nexport const forge{own} = () => forge{other};\n'
                for own, other, path in zip((one, two), (two, one), there, strict=True)
            ]
    names = (_name(language, site, one), _name(language, site, two))
    return tuple(Piece(path=site.beside(name), text=text) for name, text in zip(names, texts, strict=True))


def _imported(site: Site) -> str:
    """The ending with which the repository names its own modules when it imports them."""
    found = _RELATIVE.search(site.text)
    if found is None:
        return "" if site.ending in (".ts", ".tsx") else site.ending
    said = re.search(r"\.[cm]?[jt]sx?$", found[1])
    return said[0] if said is not None else ""
