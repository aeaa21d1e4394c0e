"""Lock files become components, whatever is in them; and components a valid bill of materials."""

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from forge_dagster.domain.sbom import Component, Ecosystem, Subject, cyclonedx, merged
from forge_dagster.domain.sbom_locks import NODE_LOCKS, PYTHON_LOCKS, read_lock

NAMES = (*NODE_LOCKS, *PYTHON_LOCKS, "requirements.txt")

PNPM_9 = """lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      lodash:
        specifier: ^4
        version: 4.17.21
    devDependencies:
      '@types/node':
        specifier: ^1
        version: 1.0.0(undici@2.0.0)

  packages/web:
    dependencies:
      real:
        specifier: npm:other@^1
        version: other@1.0.0
      shop:
        specifier: workspace:*
        version: link:../shop

packages:

  '@types/node@1.0.0':
    resolution: {integrity: sha512-x}

  inner@3.0.0:
    resolution: {integrity: sha512-x}

  lodash@4.17.21:
    resolution: {integrity: sha512-x}

  other@1.0.0:
    resolution: {integrity: sha512-x}

  undici@2.0.0:
    resolution: {integrity: sha512-x}

snapshots:

  '@types/node@1.0.0(undici@2.0.0)':
    dependencies:
      undici: 2.0.0

  inner@3.0.0: {}

  lodash@4.17.21:
    dependencies:
      inner: 3.0.0

  other@1.0.0: {}

  undici@2.0.0: {}
"""
PNPM_6 = """lockfileVersion: '6.0'

dependencies:
  lodash:
    specifier: ^4
    version: 4.17.21

packages:

  /lodash@4.17.21:
    resolution: {integrity: sha512-x}
    dev: false

  /@babel/core@7.0.0(peer@1.0.0):
    resolution: {integrity: sha512-x}
    dev: true
"""
PNPM_5 = "lockfileVersion: 5.4\n\npackages:\n\n  /@babel/core/7.0.0_peer@1.0.0:\n    resolution: {}\n    dev: true\n"
YARN_1 = """# yarn lockfile v1


"@b/c@^1.0.0", "@b/c@^1.1":
  version "1.2.3"
  resolved "https://registry.example/c.tgz"
  dependencies:
    version "^9"

alias@npm:real@^1:
  version "1.0.0"
"""
YARN_BERRY = """__metadata:
  version: 8

"@b/c@npm:^1.0.0, @b/c@npm:^1.1":
  version: 1.2.3
  resolution: "@b/c@npm:1.2.3"
  dependencies:
    version: "npm:^9"

"alias@npm:real@^1":
  version: 1.0.0

"shop@workspace:.":
  version: 0.0.0-use.local
"""
NPM_1 = {
    "lockfileVersion": 1,
    "dependencies": {
        "a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0", "dev": True}}},
        "alias": {"version": "npm:real@3.0.0"},
        "own": {"version": "file:own"},
    },
}
NPM_3 = {
    "lockfileVersion": 3,
    "packages": {
        "": {"devDependencies": {"@s/a": "^1"}, "dependencies": {"b": "^1"}},
        "packages/web": {"name": "web", "version": "9.9.9", "dependencies": {"c": "^1"}},
        "node_modules/web": {"link": True, "resolved": "packages/web"},
        "node_modules/@s/a": {"version": "1.0.0", "dev": True},
        "node_modules/@s/a/node_modules/b": {"version": "1.0.0", "dev": True},
        "node_modules/b": {"version": "2.0.0"},
        "node_modules/c": {"version": "1.0.0"},
        "node_modules/alias": {"name": "real", "version": "3.0.0", "devOptional": True},
        "node_modules/fsevents": {"optional": True, "peer": True},
    },
}
UV = """version = 1

[[package]]
name = "shop"
version = "1"
source = { editable = "." }
dependencies = [{ name = "a" }]

[package.optional-dependencies]
fast = [{ name = "c" }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]

[[package]]
name = "a"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "b" }]

[[package]]
name = "b"
version = "2.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "c"
version = "3.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "pytest"
version = "9.0"
source = { registry = "https://pypi.org/simple" }
"""
POETRY = """[[package]]
name = "A.b"
version = "1.0"
groups = ["main", "dev"]

[[package]]
name = "pytest"
version = "9.0"
groups = ["dev"]

[[package]]
name = "old"
version = "1.0"
category = "dev"

[package.source]
type = "directory"
url = "old"
"""
PIPFILE = {"_meta": {}, "default": {"a": {"version": "==1.0"}}, "develop": {"b": {"version": "==2.0"}, "own": {"path": "."}}}
REQUIREMENTS = """# a comment
-r other.txt
A_b[extra]==1.0 ; python_version > "3"  # why
c===2.0 \\
    --hash=sha256:00
ranged>=1
git+https://example.org/x.git
"""

BUN = """{
  "lockfileVersion": 1,
  "workspaces": {
    "": {
      "name": "web",
      "dependencies": {
        "lodash": "^4.17.21",
        "own": "workspace:*",
      },
      "devDependencies": {
        "@s/dev": "1.0.0",
      },
    },
  },
  "packages": {
    "@s/dev": ["@s/dev@1.0.0", "", { "dependencies": { "only-dev": "1" } }, "sha512-x,}"],

    "lodash": ["lodash@4.17.21", "", { "dependencies": { "inner": "3" } }, "sha512-x"],

    "inner": ["real@3.0.0", "", {}, "sha512-x"],

    "own": ["own@workspace:packages/own"],

    "only-dev": ["only-dev@1.0.0", "", {}, "sha512-x"],

    "@s/dev/lodash": ["lodash@3.0.0", "", {}, "sha512-x"],

    "by-git": ["by-git@git+ssh://git@example.org/a.git#abc", {}, "abc"],
  }
}
"""
READ: dict[str, tuple[str, str, list[tuple[str, str, int | None, bool | None, bool]]]] = {
    "npm 1": (
        "package-lock.json",
        json.dumps(NPM_1, indent=1),
        [("a", "1.0.0", 4, None, False), ("b", "2.0.0", 7, None, True), ("real", "3.0.0", 13, None, False)],
    ),
    "npm 3": (
        "package-lock.json",
        json.dumps(NPM_3, indent=1),
        [
            ("@s/a", "1.0.0", 23, True, True),
            ("b", "1.0.0", 27, False, True),
            ("b", "2.0.0", 31, True, False),
            ("c", "1.0.0", 34, True, False),
            ("real", "3.0.0", 37, False, False),
        ],
    ),
    "pnpm 9": (
        "pnpm-lock.yaml",
        PNPM_9,
        [
            ("@types/node", "1.0.0", 26, True, True),
            ("inner", "3.0.0", 29, False, False),
            ("lodash", "4.17.21", 32, True, False),
            ("other", "1.0.0", 35, False, False),
            ("undici", "2.0.0", 38, False, True),
        ],
    ),
    "pnpm 6": ("pnpm-lock.yaml", PNPM_6, [("@babel/core", "7.0.0", 14, False, True), ("lodash", "4.17.21", 10, True, False)]),
    "pnpm 5": ("pnpm-lock.yaml", PNPM_5, [("@babel/core", "7.0.0", 5, False, True)]),
    "yarn 1": ("yarn.lock", YARN_1, [("@b/c", "1.2.3", 4, None, False), ("real", "1.0.0", 10, None, False)]),
    "yarn berry": ("yarn.lock", YARN_BERRY, [("@b/c", "1.2.3", 4, None, False), ("real", "1.0.0", 10, None, False)]),
    "bun": (
        "bun.lock",
        BUN,
        [
            ("@s/dev", "1.0.0", 16, True, True),
            ("lodash", "4.17.21", 18, True, False),
            ("real", "3.0.0", 20, False, False),
            ("only-dev", "1.0.0", 24, False, True),
            ("lodash", "3.0.0", 26, False, False),
            ("by-git", "git+ssh://git@example.org/a.git#abc", 28, False, True),
        ],
    ),
    "uv": (
        "uv.lock",
        UV,
        [
            ("a", "1.0", 16, True, False),
            ("b", "2.0", 22, False, False),
            ("c", "3.0", 27, True, False),
            ("pytest", "9.0", 32, True, True),
        ],
    ),
    "poetry": ("poetry.lock", POETRY, [("a-b", "1.0", 2, None, False), ("pytest", "9.0", 7, None, True)]),
    "pipfile": ("Pipfile.lock", json.dumps(PIPFILE, indent=1), [("a", "1.0", 4, None, False), ("b", "2.0", 9, None, True)]),
    "requirements": ("requirements.txt", REQUIREMENTS, [("a-b", "1.0", 3, True, False), ("c", "2.0", 4, True, False)]),
}


@pytest.mark.parametrize("kind", READ)
def test_a_lock_is_read_with_its_lines_and_scopes(kind: str) -> None:
    name, text, expected = READ[kind]
    found = read_lock(name, text)
    assert found.problem == ""
    assert sorted((one.name, one.version, one.line, one.direct, one.development) for one in found.components) == sorted(
        expected
    )


def test_which_requirements_say_everything() -> None:
    assert not read_lock("requirements.txt", REQUIREMENTS).complete
    assert not read_lock("requirements.txt", "a==1.0\n").complete
    assert read_lock("requirements.txt", "a==1.0 --hash=sha256:00\n").complete
    assert read_lock("requirements.txt", "# This file was autogenerated by uv via the following command:\na==1.0\n").complete
    assert read_lock("requirements-dev.txt", "a==1.0\n").components[0].development


def test_a_package_outside_the_registry_stands_for_every_version() -> None:
    text = json.dumps({"lockfileVersion": 1, "dependencies": {"a": {"version": "git+ssh://git@example.org/a.git#abc"}}})
    assert read_lock("package-lock.json", text).components[0].version.startswith("git+ssh://")


REFUSED = {
    "package-lock.json": ("", "[]", "{", "[" * 50_000, '{"packages": {"node_modules/a": 1}}', '{"lockfileVersion": 3}', "\0"),
    "pnpm-lock.yaml": ("", "{}", "importers:\n", "lockfileVersion: 9\ndependencies:\n  a: 1\n"),
    "yarn.lock": ("", "{}", "a@1:\n  resolved x\n", "nothing:\n"),
    "bun.lock": (
        "",
        "{}",
        "[",
        '{"workspaces": {"": {"dependencies": {"a": "1"}}}, "packages": {}}',
        '{"workspaces": {}, "packages": {"a": ["a"]}}',
        '{"workspaces": {}, "packages": {"a": {}}}',
    ),
    "uv.lock": ("", "x", "package = 1\n", '[[package]]\nname = "a"\nsource = {registry = "x"}\n'),
    "poetry.lock": ("", '[[package]]\nname = "a"\n'),
    "Pipfile.lock": ("", "{}", '{"_meta": {}, "default": {"a": {}}}'),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_what_is_no_lock_is_a_problem_and_not_an_empty_one(name: str, text: str) -> None:
    found = read_lock(name, text)
    assert found.problem.startswith(name)
    assert found.components == ()


@given(st.sampled_from(NAMES), st.text(max_size=300))
def test_noise_never_raises(name: str, text: str) -> None:
    read_lock(name, text)


@given(st.sampled_from(list(READ)), st.integers(0, 400), st.integers(0, 40), st.text(max_size=10))
def test_a_damaged_lock_never_raises(kind: str, at: int, length: int, put: str) -> None:
    name, text, _ = READ[kind]
    read_lock(name, text[:at] + put + text[at + length :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["packages", "dependencies", "lockfileVersion", "_meta", "default"]), JSON)
def test_json_of_any_shape_never_raises(key: str, value: Any) -> None:
    for name in ("package-lock.json", "Pipfile.lock"):
        read_lock(name, json.dumps({"_meta": {}, key: value}))
        read_lock(name, json.dumps({"packages": {"node_modules/a": {key: value}}}))


WORDS = st.text(alphabet="abcXYZ09.-_@/+ é", min_size=1, max_size=12).filter(lambda text: text.strip())
COMPONENTS = st.builds(
    Component,
    ecosystem=st.sampled_from(list(Ecosystem)),
    name=WORDS,
    version=WORDS,
    file=st.none() | WORDS,
    line=st.none() | st.integers(1, 10_000),
    direct=st.none() | st.booleans(),
    development=st.booleans(),
)
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


@given(st.lists(COMPONENTS, max_size=5))
def test_the_bill_of_materials_is_valid(components: list[Component]) -> None:
    document = cyclonedx(components, Subject(name="acme/shop", tools=("forge",)), timestamp="2026-11-01T10:00:00Z")
    assert VALIDATOR.validate_str(json.dumps(document)) is None
    assert len(document["components"]) == len({one.key for one in components})


def test_package_urls() -> None:
    scoped = Component(ecosystem=Ecosystem.NPM, name="@babel/core", version="7.0.0+b")
    assert scoped.purl == "pkg:npm/%40babel/core@7.0.0%2Bb"
    assert Component(ecosystem=Ecosystem.PYPI, name="a-b", version="1.0").purl == "pkg:pypi/a-b@1.0"


def test_what_ships_anywhere_ships() -> None:
    one = Component(ecosystem=Ecosystem.NPM, name="a", version="1", development=True, direct=False)
    two = Component(ecosystem=Ecosystem.NPM, name="a", version="1", file="f", line=3, direct=True)
    (both,) = merged([one, two])
    assert (both.development, both.direct, both.file, both.line) == (False, True, "f", 3)
