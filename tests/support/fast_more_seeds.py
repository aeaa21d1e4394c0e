"""Seeds of the stage-1 tools that a repository chooses for itself: biome, oxlint, oxfmt, flake8, pyright, its own scripts."""

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import PythonProject, Task
from tests.support.fast_seeds import node, python
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED, SKIPPED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED, Outcome.SKIPPED

_NODE = {".gitignore": "node_modules/\n", "package.json": '{ "name": "shop", "private": true, "type": "module" }\n'}
_TIDY = {**_NODE, "biome.json": "{}\n", "src/price.ts": "export const twice = (price: number): number => 2 * price;\n"}
_UNTIDY = "export const full = {items : [1,2]}\n"
_BROKEN = "export const = ;\n"
_FAULTY = "export function stop(): void {\n\tdebugger;\n}\n"
_NO_JSON = {"biome.json": '{ "files": { "includes": ["**/*.ts"] } }\n'}

BIOME_FORMAT = (
    Seed(
        tool="biome_format",
        case="fault",
        files={**_TIDY, **_NO_JSON, "src/cart.ts": _UNTIDY},
        node=node("biome.json"),
        outcome=FAILED,
        findings=(("src/cart.ts", None, "unformatted"),),
        examined=3,
    ),
    Seed(tool="biome_format", case="clean", files={**_TIDY, **_NO_JSON}, node=node("biome.json"), outcome=PASSED, examined=2),
    Seed(
        tool="biome_format",
        case="syntax",
        files={**_TIDY, **_NO_JSON, "src/broken.ts": _BROKEN},
        node=node("biome.json"),
        outcome=FAILED,
        findings=(
            ("src/broken.ts", 1, "invalid-syntax"),
            ("src/broken.ts", 1, "invalid-syntax"),
            ("src/broken.ts", None, "unformatted"),
        ),
        examined=3,
    ),
    Seed(
        tool="biome_format",
        case="turned-off",
        files={**_TIDY, "biome.json": '{ "formatter": { "enabled": false } }\n', "src/cart.ts": _UNTIDY},
        node=node("biome.json"),
        outcome=SKIPPED,
        examined=0,
    ),
    Seed(
        tool="biome_format",
        case="everything-excluded",
        files={**_TIDY, "biome.json": '{ "files": { "includes": ["nowhere/**"] } }\n'},
        node=node("biome.json"),
        outcome=ERRORED,
        examined=0,
    ),
)
BIOME = (
    Seed(
        tool="biome",
        case="fault",
        files={**_TIDY, "src/cart.ts": _FAULTY},
        node=node("biome.json"),
        outcome=FAILED,
        findings=(("src/cart.ts", 2, "lint/suspicious/noDebugger"),),
        examined=4,
    ),
    Seed(tool="biome", case="clean", files=_TIDY, node=node("biome.json"), outcome=PASSED, examined=3),
    Seed(
        tool="biome",
        case="own-script",
        files={**_TIDY, "src/cart.ts": f"{_FAULTY}{_UNTIDY}", "other/cart.ts": _FAULTY},
        node=node("biome.json", scripts={"lint": "biome check src", "fix": "biome check --write ."}),
        outcome=FAILED,
        findings=(("src/cart.ts", 2, "lint/suspicious/noDebugger"),),
        examined=2,
    ),
    Seed(
        tool="biome",
        case="turned-off",
        files={**_TIDY, "biome.json": '{ "linter": { "enabled": false } }\n', "src/cart.ts": _FAULTY},
        node=node("biome.json"),
        outcome=SKIPPED,
        examined=0,
    ),
    Seed(
        tool="biome",
        case="bad-configuration",
        files={**_TIDY, "biome.json": '{ "linter": { "rules": { "no": 1 } } }\n'},
        node=node("biome.json"),
        outcome=ERRORED,
        examined=0,
    ),
)
_OXC = {
    **_NODE,
    ".oxlintrc.json": "{}\n",
    ".oxfmtrc.json": "{}\n",
    "src/price.ts": "export const free = (price: number) => price === 0;\n",
}
OXFMT = (
    Seed(
        tool="oxfmt",
        case="fault",
        files={**_OXC, "src/cart.ts": _UNTIDY},
        node=node(".oxfmtrc.json", scripts={"lint": "oxlint src && oxfmt --check src"}),
        outcome=FAILED,
        findings=(("src/cart.ts", None, "unformatted"),),
        examined=2,
    ),
    Seed(
        tool="oxfmt",
        case="clean",
        files=_OXC,
        node=node(".oxfmtrc.json", scripts={"lint": "oxlint src && oxfmt --check src"}),
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="oxfmt",
        case="syntax",
        files={**_OXC, "src/broken.ts": _BROKEN},
        node=node(".oxfmtrc.json"),
        outcome=FAILED,
        findings=(("src/broken.ts", 1, "invalid-syntax"), ("package.json", None, "unformatted")),
        examined=2,
    ),
    Seed(
        tool="oxfmt",
        case="everything-ignored",
        files={**_OXC, ".oxfmtrc.json": '{ "ignorePatterns": ["**"] }\n'},
        node=node(".oxfmtrc.json"),
        outcome=ERRORED,
        examined=0,
    ),
)
OXLINT = (
    Seed(
        tool="oxlint",
        case="fault",
        files={**_OXC, ".oxlintrc.json": '{ "rules": { "no-debugger": "error" } }\n', "src/cart.ts": _FAULTY},
        node=node(".oxlintrc.json"),
        outcome=FAILED,
        findings=(("src/cart.ts", 2, "eslint(no-debugger)"),),
        examined=2,
    ),
    Seed(tool="oxlint", case="clean", files=_OXC, node=node(".oxlintrc.json"), outcome=PASSED, examined=1),
    Seed(
        tool="oxlint",
        case="warning",
        files={**_OXC, "src/cart.ts": _FAULTY},
        node=node(".oxlintrc.json"),
        outcome=PASSED,
        examined=2,
    ),
    Seed(
        tool="oxlint",
        case="warning-denied-by-script",
        files={**_OXC, "src/cart.ts": _FAULTY},
        node=node(".oxlintrc.json", scripts={"lint": "oxlint --deny-warnings src"}),
        outcome=FAILED,
        findings=(("src/cart.ts", 2, "eslint(no-debugger)"),),
        examined=2,
    ),
    Seed(
        tool="oxlint",
        case="syntax",
        files={**_OXC, "src/broken.ts": _BROKEN},
        node=node(".oxlintrc.json"),
        outcome=FAILED,
        findings=(("src/broken.ts", 1, "invalid-syntax"),),
        examined=2,
    ),
    Seed(
        tool="oxlint",
        case="bad-configuration",
        files={**_OXC, ".oxlintrc.json": '{ "rules": { "no-such-rule": "error" } }\n'},
        node=node(".oxlintrc.json"),
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="oxlint",
        case="everything-ignored",
        files={**_OXC, ".oxlintrc.json": '{ "ignorePatterns": ["**"] }\n'},
        node=node(".oxlintrc.json"),
        outcome=ERRORED,
        examined=0,
    ),
)

_PYTHON = {
    ".gitignore": "__pycache__/\n.venv/\n",
    "src/shop/__init__.py": '"""A shop."""\n',
    "src/shop/price.py": '"""Prices."""\n\n\ndef total(prices: list[int]) -> int:\n    """Add up."""\n    return sum(prices)\n',
}
_UNUSED = {**_PYTHON, "src/shop/cart.py": "import os\n\n\ndef size() -> int:\n    return items\n"}
_SYNTAX = {**_PYTHON, "src/shop/broken.py": "def total(:\n    pass\n"}
_MISTYPED = {
    **_PYTHON,
    "src/shop/cart.py": "from shop.price import total\n\n\ndef receipt(prices: list[int]) -> str:\n    return total(prices)\n",
}


def runs(*commands: str) -> PythonProject:
    """A project whose tox runs these commands."""
    return PythonProject(manager="pip", tasks=tuple(Task(source="tox.ini [testenv:style]", text=text) for text in commands))


FLAKE8 = (
    Seed(
        tool="flake8",
        case="fault",
        files=_UNUSED,
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/cart.py", 1, "F401"), ("src/shop/cart.py", 5, "F821")),
        examined=3,
    ),
    Seed(tool="flake8", case="clean", files=_PYTHON, python=python(), outcome=PASSED, examined=2),
    Seed(
        tool="flake8",
        case="own-configuration",
        files={**_UNUSED, "setup.cfg": "[flake8]\nextend-ignore = F401\n"},
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/cart.py", 5, "F821"),),
        examined=3,
    ),
    Seed(
        tool="flake8",
        case="own-task",
        files={**_PYTHON, "scripts/old.py": "import os\n"},
        python=runs("python -m flake8 --max-line-length=100 src"),
        outcome=PASSED,
        examined=2,
    ),
    Seed(
        tool="flake8",
        case="syntax",
        files=_SYNTAX,
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/broken.py", 1, "E999"),),
        examined=3,
    ),
    Seed(
        tool="flake8",
        case="bad-configuration",
        files={**_PYTHON, ".flake8": "[flake8]\nrequire-plugins = no-such-plugin\n"},
        python=python(),
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="flake8",
        case="everything-excluded",
        files={**_PYTHON, ".flake8": "[flake8]\nexclude = src\n"},
        python=python(),
        outcome=ERRORED,
        examined=0,
    ),
)


def _pyright_seeds(tool: str, configuration: str) -> tuple[Seed, ...]:
    def configured(**settings: object) -> PythonProject:
        return python(**{configuration: settings})

    table = f"[tool.{configuration}]\n"
    here = {"pyproject.toml": f'{table}include = ["src"]\ntypeCheckingMode = "strict"\n'}
    return (
        Seed(
            tool=tool,
            case="fault",
            files={**_MISTYPED, **here},
            python=configured(),
            outcome=FAILED,
            findings=(("src/shop/cart.py", 5, "reportReturnType"),),
            examined=3,
        ),
        Seed(tool=tool, case="clean", files={**_PYTHON, **here}, python=configured(), outcome=PASSED, examined=2),
        Seed(
            tool=tool,
            case="own-task",
            files={**_MISTYPED, **here},
            python=runs(f"{tool} src/shop/price.py"),
            outcome=PASSED,
            examined=1,
        ),
        Seed(
            tool=tool,
            case="nothing-included",
            files={**_PYTHON, "pyproject.toml": f'{table}include = ["nowhere"]\n'},
            python=configured(),
            outcome=ERRORED,
            examined=0,
        ),
        Seed(
            tool=tool,
            case="bad-configuration",
            files={**_PYTHON, "pyrightconfig.json": '{ "include": ["src"\n'},
            python=configured(),
            outcome=ERRORED,
            examined=0,
        ),
    )


PYRIGHT = _pyright_seeds("pyright", "pyright")
BASEDPYRIGHT = _pyright_seeds("basedpyright", "basedpyright")

_CHECK = "tsgo --noEmit"
_PREVIEW = {"@typescript/native-preview": "7.0.0-dev.20260707.2"}
_OWN_CHECK = {
    ".gitignore": "node_modules/\n",
    "package.json": '{ "name": "shop", "private": true, "type": "module", "scripts": { "typecheck": "tsgo --noEmit" },\n'
    '  "devDependencies": { "@typescript/native-preview": "7.0.0-dev.20260707.2" } }\n',
    "tsconfig.json": '{ "compilerOptions": { "strict": true, "module": "nodenext", "lib": ["es5"], "types": [] },\n'
    '  "include": ["src"] }\n',
    "src/price.ts": "export const twice = (price: number): number => 2 * price;\n",
}
_CHECKED = node("tsconfig.json", scripts={"typecheck": _CHECK}, devDependencies=_PREVIEW).model_copy(
    update={"dependencies": frozenset(_PREVIEW)}
)
TYPECHECK_SCRIPT = (
    Seed(
        tool="typecheck_script",
        case="fault",
        files={
            **_OWN_CHECK,
            "src/cart.ts": 'import { twice } from "./price.js";\n\nexport const receipt: string = twice(1);\n',
        },
        node=_CHECKED,
        outcome=FAILED,
        findings=(("src/cart.ts", 3, "TS2322"),),
        examined=2,
    ),
    Seed(tool="typecheck_script", case="clean", files=_OWN_CHECK, node=_CHECKED, outcome=PASSED, examined=1),
    Seed(
        tool="typecheck_script",
        case="bad-configuration",
        files={**_OWN_CHECK, "tsconfig.json": '{ "include": ["nowhere"] }\n'},
        node=_CHECKED,
        outcome=ERRORED,
        examined=0,
    ),
)

_REFERENCED = (
    '{ "compilerOptions": { "composite": true, "strict": true, "outDir": "dist", "lib": ["es5"], "types": [] }, '
    '"include": ["src"]'
)
_SOLUTION = {
    **_NODE,
    "tsconfig.json": '{ "files": [], "references": [{ "path": "core" }, { "path": "shop" }] }\n',
    "core/tsconfig.json": _REFERENCED + " }\n",
    "core/src/price.ts": "export const twice = (price: number): number => 2 * price;\n",
    "shop/tsconfig.json": _REFERENCED + ', "references": [{ "path": "../core" }] }\n',
    "shop/src/cart.ts": 'import { twice } from "../../core/src/price.js";\n\nexport const sum: number = twice(1);\n',
}
_BAD_CART = 'import { twice } from "../../core/src/price.js";\n\nexport const sum: string = twice(1);\n'
TSC = (
    Seed(tool="tsc", case="solution", files=_SOLUTION, node=node("tsconfig.json"), outcome=PASSED, examined=2),
    Seed(
        tool="tsc",
        case="solution-fault",
        files={**_SOLUTION, "shop/src/cart.ts": _BAD_CART},
        node=node("tsconfig.json"),
        outcome=FAILED,
        findings=(("shop/src/cart.ts", 3, "TS2322"),),
        examined=2,
    ),
    Seed(
        tool="tsc",
        case="build-script",
        files={**_SOLUTION, "shop/src/cart.ts": _BAD_CART},
        node=node("tsconfig.json", scripts={"typecheck": "tsc -b"}),
        outcome=FAILED,
        findings=(("shop/src/cart.ts", 3, "TS2322"),),
        examined=2,
    ),
    Seed(
        tool="tsc",
        case="empty-solution",
        files={**_NODE, "tsconfig.json": '{ "files": [], "references": [] }\n', "src/price.ts": _UNTIDY},
        node=node("tsconfig.json"),
        outcome=FAILED,
        findings=(("tsconfig.json", 1, "TS18002"),),
        examined=0,
    ),
)
MYPY = (
    Seed(
        tool="mypy",
        case="ini-with-files",
        files={**_MISTYPED, "mypy.ini": "[mypy]\nstrict = true\nfiles = src/shop/price.py\n"},
        python=PythonProject(manager="pip", configuration_files=frozenset({"mypy.ini"})),
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="mypy",
        case="ini-without-files",
        files={**_MISTYPED, "setup.cfg": "[mypy]\nstrict = true\n"},
        python=PythonProject(manager="pip", ini_sections=frozenset({"mypy"})),
        outcome=FAILED,
        findings=(("src/shop/cart.py", 5, "return-value"),),
        examined=3,
    ),
    Seed(
        tool="mypy",
        case="own-task",
        files=_MISTYPED,
        python=runs("mypy --strict src/shop/price.py"),
        outcome=PASSED,
        examined=1,
    ),
)

SEEDS = (
    *BIOME_FORMAT,
    *BIOME,
    *OXFMT,
    *OXLINT,
    *FLAKE8,
    *PYRIGHT,
    *BASEDPYRIGHT,
    *TYPECHECK_SCRIPT,
    *TSC,
    *MYPY,
)
