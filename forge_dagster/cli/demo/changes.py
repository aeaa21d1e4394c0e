"""What the agent writes in the story: a change with three faults, the same one mended, and one that breaks under load."""

import secrets
import string
from collections.abc import Mapping
from pathlib import Path

from forge_dagster.errors import ConfigurationError

Files = Mapping[str, str | None]

ROLLOUT = """
# Short, for the demonstration; without this section a release bakes 10 minutes at 5% and at 25%.
[deploy.rollout]
steps = [{ weight = 5, bake = "10s" }, { weight = 25, bake = "10s" }, { weight = 100 }]
interval = "1s"

# Here gates, Dagster, both releases and the customers share one small machine, so that a slow moment proves nothing.
[deploy.rollback]
p99_latency = 10
"""

_ANCHOR = '    if url.path == "/":\n'
_ASKS = 'found = price(item, int(query.get("quantity", ["1"])[0]))'


def example_folder() -> Path:
    """The shop: beside the package in a checkout, inside it when installed. Raises ConfigurationError."""
    package = Path(__file__).parents[2]
    for folder in (package.parent / "examples" / "shop", package / "examples" / "shop"):
        if (folder / "forge.toml").is_file():
            return folder
    raise ConfigurationError("the example application is not installed", hint="run the demonstration from a clone of Forge")


def shop() -> dict[str, str]:
    """The example's files, with a rollout that bakes for seconds."""
    folder = example_folder()
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_made(path.relative_to(folder)))
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in paths}
    return files | {"forge.toml": files["forge.toml"] + ROLLOUT}


def _is_made(path: Path) -> bool:
    """Whether tools made it: such files are not part of the example."""
    parts = path.parts
    return any(part == "__pycache__" or part.endswith("_cache") or part in (".venv", ".coverage", "dist") for part in parts)


def version_route(version: str) -> Files:
    """`/api/version`, as it should be. Writes every file it touches whole, so that it also mends what an earlier story left."""
    pages = shop()["src/shop/pages.py"]
    if _ANCHOR not in pages or _ASKS not in pages:
        raise ConfigurationError("the example application is not the one this story is about", hint="restore examples/shop")
    route = '    if url.path == "/api/version":\n        return _json(200, {"version": version()})\n'
    pages = pages.replace(_ANCHOR, route + _ANCHOR)
    return {
        "src/shop/pages.py": pages.replace("import CATALOGUE, UnknownItem, price\n", _IMPORTS),
        "src/shop/version.py": _VERSION.format(version=version),
        "tests/test_version.py": _VERSION_TEST.format(version=version),
        "src/shop/memory.py": None,
        "tests/test_memory.py": None,
    }


def version_route_with_faults(version: str) -> Files:
    """The same with a wrong type, bad layout and a payment key. The key is made up here, so that no file of Forge holds one."""
    letters = string.ascii_letters + string.digits
    key = "sk_" + "live_" + "".join(secrets.choice(letters) for _ in range(24))
    faulty = _FAULTY.replace("@KEY@", key).replace("@VERSION@", version)
    return {**version_route(version), "src/shop/version.py": faulty}


def forgetful_memory(pages: str) -> Files:
    """Remembers the prices asked for, in places that nobody frees: right in every test, wrong under load.

    The tests notice the faults that gate `mutation` plants into it. None of them asks for a seventeenth price.
    """
    if _ASKS not in pages:
        raise ConfigurationError("the example application is not the one this story is about", hint="restore examples/shop")
    remembering = _ASKS.replace("price(", "MEMORY.keep(price(", 1) + ")"
    return {
        "src/shop/pages.py": pages.replace(_ASKS, remembering).replace(
            "from shop.pricing", "from shop.memory import MEMORY\nfrom shop.pricing"
        ),
        "src/shop/memory.py": _MEMORY,
        "tests/test_memory.py": _MEMORY_TEST,
    }


_IMPORTS = "import CATALOGUE, UnknownItem, price\nfrom shop.version import version\n"

_VERSION = '''"""Which version of the shop answers."""

VERSION = "{version}"


def version() -> str:
    """The version, as in the changelog."""
    return VERSION
'''

_VERSION_TEST = """from shop.pages import answer


def test_version() -> None:
    given = answer("/api/version")
    assert (given.status, given.body) == (200, '{{"version": "{version}"}}')
"""

_FAULTY = '''"""Which version of the shop answers."""

VERSION = "@VERSION@"
PAYMENT_KEY = "@KEY@"


def version( ) -> int:
  """The version, as in the changelog."""
  return VERSION
'''

_MEMORY = '''"""Remembers the prices that were asked for, so that they can be looked at later."""

from shop.pricing import Price


class Memory:
    """Sixteen numbered places, and the price that is kept in each."""

    def __init__(self) -> None:
        self.free = list(range(16))
        self.kept: dict[int, Price] = {}

    def keep(self, found: Price) -> Price:
        """The same price, kept in the next free place."""
        self.kept[self.free.pop(0)] = found
        return found


MEMORY = Memory()
'''

_MEMORY_TEST = """from shop.memory import Memory
from shop.pricing import price


def test_there_is_room_for_sixteen_prices_in_their_order() -> None:
    memory = Memory()
    asked = [memory.keep(price("anvil", quantity)) for quantity in range(1, 17)]
    assert asked[2] == price("anvil", 3)
    assert list(memory.kept.items()) == list(enumerate(asked))
    assert memory.free == []
"""
