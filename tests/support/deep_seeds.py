"""Seeds of the tools of gates mutation and architecture."""

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED, SKIPPED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED, Outcome.SKIPPED

# --- Python mutation ----------------------------------------------------------------------------------------------------

_PYPROJECT = '[tool.pytest.ini_options]\npythonpath = ["src"]\n'
_PYTHON = PythonProject(manager="pip", pyproject={"tool": {"pytest": {"ini_options": {"pythonpath": ["src"]}}}})
SHOP = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": _PYPROJECT,
    "src/shop/__init__.py": "",
    "src/shop/price.py": '"""Prices."""\n\n\ndef total(prices):\n    return sum(prices)\n',
    "tests/test_price.py": "from shop.price import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}
SHIPPING = {
    "src/shop/price.py": (
        '"""Prices."""\n\n\ndef total(prices):\n    return sum(prices)\n\n\n'
        "def shipping(amount: int, *, abroad: bool = False) -> int:\n"
        '    """What it costs to send."""\n'
        "    if amount >= 50 and not abroad:\n"
        "        return 0\n"
        "    return 5 + amount // 10\n"
    )
}
WEAK = "from shop.price import shipping, total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n\n\n"
WEAK += "def test_shipping():\n    assert shipping(100) == 0\n    assert shipping(10) > 0\n"
STRONG = WEAK + (
    "    assert shipping(50) == 0\n    assert shipping(49) == 9\n    assert shipping(50, abroad=True) == 10\n"
    "    assert shipping(51) == 0\n    assert shipping(10) == 6\n"
)

COSMIC_RAY = (
    Seed(
        tool="cosmic_ray",
        volatile_argv=True,
        case="clean",
        files=SHOP,
        commits=({**SHIPPING, "tests/test_price.py": STRONG},),
        python=_PYTHON,
        outcome=PASSED,
        examined=18,
    ),
    Seed(
        tool="cosmic_ray",
        volatile_argv=True,
        case="fault",
        files=SHOP,
        commits=({**SHIPPING, "tests/test_price.py": WEAK},),
        python=_PYTHON,
        outcome=FAILED,
        findings=(
            ("src/shop/price.py", 10, "survived"),
            ("src/shop/price.py", 10, "survived"),
            ("src/shop/price.py", 10, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
        ),
        examined=18,
    ),
    Seed(
        tool="cosmic_ray",
        volatile_argv=True,
        case="not-executed",
        files=SHOP,
        commits=(SHIPPING,),
        python=_PYTHON,
        outcome=FAILED,
        findings=(
            ("src/shop/price.py", 8, "survived"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 10, "no-coverage"),
            ("src/shop/price.py", 11, "no-coverage"),
            ("src/shop/price.py", 11, "no-coverage"),
            ("src/shop/price.py", 11, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
            ("src/shop/price.py", 12, "no-coverage"),
        ),
        examined=18,
    ),
    Seed(
        tool="cosmic_ray",
        volatile_argv=True,
        case="nothing-to-mutate",
        files=SHOP,
        commits=({"src/shop/price.py": SHOP["src/shop/price.py"].replace("prices)", "prices: list[int])", 1)},),
        python=_PYTHON,
        outcome=SKIPPED,
        examined=0,
    ),
    Seed(
        tool="cosmic_ray",
        volatile_argv=True,
        case="red",
        files=SHOP,
        commits=({**SHIPPING, "tests/test_price.py": "def test_total():\n    assert 0\n"},),
        python=_PYTHON,
        outcome=ERRORED,
        examined=0,
    ),
)

_MUTMUT = {**SHOP, "requirements.txt": "mutmut>=3.8,<3.9\npytest>=9\n", ".gitignore": "__pycache__/\nmutants/\n"}
_WITH_MUTMUT = _PYTHON.model_copy(
    update={"requirement_files": ("requirements.txt",), "dependencies": frozenset({"mutmut", "pytest"})}
)

MUTMUT = (
    Seed(
        tool="mutmut",
        case="clean",
        files=_MUTMUT,
        commits=({**SHIPPING, "tests/test_price.py": STRONG},),
        python=_WITH_MUTMUT,
        outcome=PASSED,
        examined=10,
    ),
    Seed(
        tool="mutmut",
        case="fault",
        files=_MUTMUT,
        commits=({**SHIPPING, "tests/test_price.py": WEAK},),
        python=_WITH_MUTMUT,
        outcome=FAILED,
        findings=(
            ("src/shop/price.py", 10, "survived"),
            ("src/shop/price.py", 10, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
            ("src/shop/price.py", 12, "survived"),
        ),
        examined=10,
    ),
    Seed(
        tool="mutmut",
        case="red",
        files=_MUTMUT,
        commits=({**SHIPPING, "tests/test_price.py": WEAK.replace("== 0", "== 1")},),
        python=_WITH_MUTMUT,
        outcome=ERRORED,
        examined=0,
    ),
)

# --- JavaScript mutation ------------------------------------------------------------------------------------------------

_PACKAGE = {"name": "shop", "private": True, "type": "module", "devDependencies": {"vitest": "^4.1.0"}}
_NODE = NodeProject(manager="npm", package=_PACKAGE, dependencies=frozenset({"vitest"}))
TS_SHOP = {
    ".gitignore": "node_modules/\n",
    "package.json": '{"name": "shop", "private": true, "type": "module", "devDependencies": {"vitest": "^4.1.0"}}\n',
    "src/price.ts": "export const total = (prices: number[]): number => prices.reduce((a, b) => a + b, 0);\n",
    "test/price.test.ts": (
        'import { expect, test } from "vitest";\nimport { total } from "../src/price";\n\n'
        'test("total", () => expect(total([1, 2])).toBe(3));\n'
    ),
}
TS_SHIPPING = {
    "src/price.ts": (
        f"{TS_SHOP['src/price.ts']}\n"
        "export function shipping(amount: number): number {\n"
        "  if (amount >= 50) {\n    return 0;\n  }\n"
        "  return 5 + amount;\n}\n"
    )
}
TS_WEAK = TS_SHOP["test/price.test.ts"].replace("{ total }", "{ shipping, total }") + (
    '\ntest("shipping", () => expect(shipping(100)).toBe(0));\n'
)
TS_STRONG = TS_WEAK + ('test("costs", () => expect([49, 50, 51].map(shipping)).toEqual([54, 0, 0]));\n')

STRYKER = (
    Seed(
        tool="stryker",
        volatile_argv=True,
        case="clean",
        files=TS_SHOP,
        commits=({**TS_SHIPPING, "test/price.test.ts": TS_STRONG},),
        node=_NODE,
        outcome=PASSED,
        examined=7,
    ),
    Seed(
        tool="stryker",
        volatile_argv=True,
        case="fault",
        files=TS_SHOP,
        commits=({**TS_SHIPPING, "test/price.test.ts": TS_WEAK},),
        node=_NODE,
        outcome=FAILED,
        findings=(
            ("src/price.ts", 4, "survived"),
            ("src/price.ts", 4, "survived"),
            ("src/price.ts", 7, "survived"),
        ),
        examined=7,
    ),
    Seed(
        tool="stryker",
        volatile_argv=True,
        case="nothing-to-mutate",
        files=TS_SHOP,
        commits=({"src/kinds.ts": "export type Kind = 1 | 2;\n"},),
        node=_NODE,
        outcome=SKIPPED,
        examined=0,
    ),
    Seed(
        tool="stryker",
        volatile_argv=True,
        case="red",
        files=TS_SHOP,
        commits=({**TS_SHIPPING, "test/price.test.ts": TS_WEAK.replace("toBe(0)", "toBe(1)")},),
        node=_NODE,
        outcome=ERRORED,
        examined=0,
    ),
)

# --- architecture -------------------------------------------------------------------------------------------------------

_LAYERS = """[tool.importlinter]
root_package = "shop"

[[tool.importlinter.contracts]]
name = "Layers"
type = "layers"
layers = ["shop.page", "shop.price"]

[[tool.importlinter.contracts]]
name = "Prices know no pages"
type = "forbidden"
source_modules = ["shop.price"]
forbidden_modules = ["shop.page"]
"""
_LAYERED = PythonProject(manager="pip", pyproject={"tool": {"importlinter": {"root_package": "shop"}}})
_PAGES = {
    "pyproject.toml": _LAYERS,
    "src/shop/__init__.py": "",
    "src/shop/page.py": "from shop import price\n\nSHOWN = price.FREE\n",
    "src/shop/price.py": "FREE = 50\n",
}
_UPWARDS = {"src/shop/price.py": '"""Prices."""\n\nimport shop.page\n\nFREE = shop.page.SHOWN\n'}

IMPORT_LINTER = (
    Seed(tool="import_linter", case="clean", files=_PAGES, python=_LAYERED, outcome=PASSED, examined=3),
    Seed(
        tool="import_linter",
        case="fault",
        files={**_PAGES, **_UPWARDS},
        python=_LAYERED,
        outcome=FAILED,
        findings=(("src/shop/price.py", 3, "Layers"), ("src/shop/price.py", 3, "Prices know no pages")),
        examined=3,
    ),
    Seed(
        tool="import_linter",
        case="no-such-package",
        files={**_PAGES, "pyproject.toml": _LAYERS.replace('"shop"', '"stall"')},
        python=_LAYERED,
        outcome=ERRORED,
        examined=0,
    ),
)

_BOUNDARIES = """source_roots = ["src"]

[[modules]]
path = "shop.page"
depends_on = ["shop.price"]

[[modules]]
path = "shop.price"
depends_on = []
"""
_BOUND = PythonProject(manager="pip", configuration_files=frozenset({"tach.toml"}))
CYCLE_FREE = {**_PAGES, "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n'}
_MODULES = {**{name: text for name, text in _PAGES.items() if name != "pyproject.toml"}, "tach.toml": _BOUNDARIES}

TACH = (
    Seed(tool="tach", case="clean", files=_MODULES, python=_BOUND, outcome=PASSED, examined=3),
    Seed(
        tool="tach",
        case="fault",
        files={**_MODULES, **_UPWARDS},
        python=_BOUND,
        outcome=FAILED,
        findings=(("src/shop/price.py", 3, "UndeclaredDependency"),),
        examined=3,
    ),
    Seed(
        tool="tach",
        case="circle",
        files={
            **_MODULES,
            "tach.toml": f"forbid_circular_dependencies = true\n{_BOUNDARIES}".replace("[]", '["shop.page"]'),
        },
        python=_BOUND,
        outcome=FAILED,
        findings=(("tach.toml", None, "circular-dependency"),),
        examined=1,
    ),
    Seed(
        tool="tach",
        case="nothing-there",
        files={**_MODULES, "tach.toml": _BOUNDARIES.replace('"src"', '"lib"')},
        python=_BOUND,
        outcome=ERRORED,
        examined=0,
    ),
)

_SCRIPTS = {
    "package.json": '{"name": "shop", "private": true, "type": "module"}\n',
    "tsconfig.json": '{"compilerOptions": {"strict": true, "module": "nodenext", "target": "es2022"}}\n',
    "src/page.ts": (
        'import { free } from "./price.js";\nimport type { Kind } from "./kind.js";\n\nexport const shown: Kind = free;\n'
    ),
    "src/price.ts": 'export const free = 50;\nexport const later = async () => (await import("./page.js")).shown;\n',
    "src/kind.ts": 'import { shown } from "./page.js";\n\nexport type Kind = number;\nexport const kinds = () => shown;\n',
}
_PLAIN = NodeProject(
    manager="npm",
    package={"name": "shop", "private": True, "type": "module"},
    configuration_files=frozenset({"package.json", "tsconfig.json"}),
)
_RULES = """module.exports = {
  forbidden: [
    { name: "no-pages", severity: "error", comment: "prices know no pages", from: { path: "price" }, to: { path: "page" } },
    { name: "no-kinds", severity: "warn", from: {}, to: { path: "kind" } },
  ],
  options: { doNotFollow: { path: "node_modules" } },
};
"""
_RULED = _PLAIN.model_copy(update={"configuration_files": frozenset({".dependency-cruiser.cjs"})})
_CIRCLE = {
    "src/price.ts": 'import { shown } from "./page.js";\n\nexport const free = 50;\nexport const twice = () => shown + shown;\n'
}

DEPENDENCY_CRUISER = (
    Seed(tool="dependency_cruiser", case="clean", files=_SCRIPTS, node=_PLAIN, outcome=PASSED, examined=3),
    Seed(
        tool="dependency_cruiser",
        case="fault",
        files={**_SCRIPTS, **_CIRCLE},
        node=_PLAIN,
        outcome=FAILED,
        findings=(("src/page.ts", None, "import-cycle"),),
        examined=3,
    ),
    Seed(
        tool="dependency_cruiser",
        case="unusable-tsconfig",
        files={**_SCRIPTS, **_CIRCLE, "tsconfig.json": '{"extends": "@acme/nowhere/tsconfig.json"}\n'},
        node=_PLAIN,
        outcome=FAILED,
        findings=(("src/page.ts", None, "import-cycle"),),
        examined=3,
    ),
    Seed(
        tool="dependency_cruiser",
        case="own-rules",
        files={**_SCRIPTS, ".dependency-cruiser.cjs": _RULES},
        node=_RULED,
        outcome=FAILED,
        findings=(("src/price.ts", None, "no-pages"),),
        examined=3,
    ),
    Seed(
        tool="dependency_cruiser",
        case="own-rules-kept",
        files={**_SCRIPTS, "src/price.ts": "export const free = 50;\n", ".dependency-cruiser.cjs": _RULES},
        node=_RULED,
        outcome=PASSED,
        examined=3,
    ),
    Seed(
        tool="dependency_cruiser",
        case="broken-rules",
        files={**_SCRIPTS, ".dependency-cruiser.cjs": "module.exports = {"},
        node=_RULED,
        outcome=ERRORED,
        examined=0,
    ),
)

SEEDS = (*COSMIC_RAY, *MUTMUT, *STRYKER, *IMPORT_LINTER, *TACH, *DEPENDENCY_CRUISER)
