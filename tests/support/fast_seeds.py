"""Seeds of the stage-1 tools."""

from collections.abc import Mapping

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from tests.support.seeds import Seed, Text, token

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

_PYTHON_IGNORED = {".gitignore": "__pycache__/\n.venv/\n"}
_NODE_IGNORED = {".gitignore": "node_modules/\n"}


def python(**tool: object) -> PythonProject:
    return PythonProject(manager="pip", pyproject={"tool": tool} if tool else {})


def node(*files: str, **package: object) -> NodeProject:
    return NodeProject(manager="npm", package={"name": "shop", **package}, configuration_files=frozenset(files))


_CLEAN_PYTHON = {
    **_PYTHON_IGNORED,
    "src/shop/__init__.py": '"""A shop."""\n',
    "src/shop/price.py": '"""Prices."""\n\n\ndef total(prices: list[int]) -> int:\n    """Add up."""\n    return sum(prices)\n',
}
_UNTIDY_PYTHON = {
    **_CLEAN_PYTHON,
    "src/shop/cart.py": '"""Carts."""\n\nEMPTY = {"items": []}\nFULL = {\'items\' : [1,2]}\n',
}
_BROKEN_PYTHON = {**_UNTIDY_PYTHON, "src/shop/broken.py": "def total(:\n    pass\n"}
_CART = ("src/shop/cart.py", 4, "unformatted")
_BROKEN = ("src/shop/broken.py", 1, "invalid-syntax")

RUFF_FORMAT = (
    Seed(
        tool="ruff_format", case="fault", files=_UNTIDY_PYTHON, python=python(), outcome=FAILED, findings=(_CART,), examined=3
    ),
    Seed(tool="ruff_format", case="clean", files=_CLEAN_PYTHON, python=python(), outcome=PASSED, examined=2),
    Seed(
        tool="ruff_format",
        case="syntax",
        files=_BROKEN_PYTHON,
        python=python(),
        outcome=FAILED,
        findings=(_BROKEN, _CART),
        examined=4,
    ),
    Seed(
        tool="ruff_format",
        case="everything-excluded",
        files={**_CLEAN_PYTHON, "ruff.toml": 'exclude = ["src"]\n'},
        python=python(),
        outcome=ERRORED,
        examined=0,
    ),
)
BLACK = (
    Seed(
        tool="black", case="fault", files=_UNTIDY_PYTHON, python=python(black={}), outcome=FAILED, findings=(_CART,), examined=3
    ),
    Seed(tool="black", case="clean", files=_CLEAN_PYTHON, python=python(black={}), outcome=PASSED, examined=2),
    Seed(
        tool="black",
        case="syntax",
        files=_BROKEN_PYTHON,
        python=python(black={}),
        outcome=FAILED,
        findings=(_BROKEN, _CART),
        examined=4,
    ),
)
RUFF = (
    Seed(
        tool="ruff",
        case="fault",
        files={**_CLEAN_PYTHON, "src/shop/cart.py": "import os\n\n\ndef size() -> int:\n    return items\n"},
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/cart.py", 1, "F401"), ("src/shop/cart.py", 5, "F821")),
        examined=3,
    ),
    Seed(tool="ruff", case="clean", files=_CLEAN_PYTHON, python=python(), outcome=PASSED, examined=2),
    Seed(
        tool="ruff",
        case="syntax",
        files={**_CLEAN_PYTHON, "src/shop/broken.py": "def total(:\n    pass\n"},
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/broken.py", 1, "invalid-syntax"),) * 2,
        examined=3,
    ),
    Seed(
        tool="ruff",
        case="bad-configuration",
        files={**_CLEAN_PYTHON, "ruff.toml": 'line-length = "long"\n'},
        python=python(),
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="ruff",
        case="everything-excluded",
        files={**_CLEAN_PYTHON, "ruff.toml": 'exclude = ["src"]\n'},
        python=python(),
        outcome=ERRORED,
        examined=0,
    ),
)
_MISTYPED = {
    **_CLEAN_PYTHON,
    "src/shop/cart.py": "from shop.price import total\n\n\ndef receipt(prices: list[int]) -> str:\n    return total(prices)\n",
}
MYPY = (
    Seed(
        tool="mypy",
        case="fault",
        files=_MISTYPED,
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/cart.py", 5, "return-value"),),
        examined=3,
    ),
    Seed(tool="mypy", case="clean", files=_CLEAN_PYTHON, python=python(), outcome=PASSED, examined=2),
    Seed(
        tool="mypy",
        case="own-configuration",
        files={**_MISTYPED, "pyproject.toml": '[tool.mypy]\nfiles = ["src/shop/price.py"]\n'},
        python=python(mypy={"files": ["src/shop/price.py"]}),
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="mypy",
        case="syntax",
        files={**_CLEAN_PYTHON, "src/shop/broken.py": "def total(:\n    pass\n"},
        python=python(),
        outcome=FAILED,
        findings=(("src/shop/broken.py", 1, "syntax"),) * 2,
        examined=1,
    ),
    Seed(
        tool="mypy",
        case="bad-plugin",
        files={**_CLEAN_PYTHON, "pyproject.toml": '[tool.mypy]\nfiles = ["src"]\nplugins = ["no_such_plugin"]\n'},
        python=python(mypy={"files": ["src"], "plugins": ["no_such_plugin"]}),
        outcome=ERRORED,
        examined=0,
    ),
)
_PACKAGE = {"package.json": '{\n  "name": "shop",\n  "private": true,\n  "type": "module"\n}\n'}
_CLEAN_NODE = {
    **_NODE_IGNORED,
    **_PACKAGE,
    "src/price.ts": "export const twice = (price: number): number => 2 * price;\n",
}
PRETTIER = (
    Seed(
        tool="prettier",
        case="fault",
        files={**_CLEAN_NODE, "src/cart.ts": "export const empty = { items: [] };\nexport const full = {items : [1,2]}\n"},
        node=node(".prettierrc"),
        outcome=FAILED,
        findings=(("src/cart.ts", 2, "unformatted"),),
        examined=2,
    ),
    Seed(tool="prettier", case="clean", files=_CLEAN_NODE, node=node(".prettierrc"), outcome=PASSED, examined=1),
    Seed(
        tool="prettier",
        case="syntax",
        files={**_CLEAN_NODE, "src/broken.ts": "export const = ;\n"},
        node=node(".prettierrc"),
        outcome=FAILED,
        findings=(("src/broken.ts", 1, "invalid-syntax"),),
        examined=2,
    ),
    Seed(
        tool="prettier",
        case="own-script",
        files={**_CLEAN_NODE, "README.md": "Untidy  \n===\n* a\n"},
        node=node(scripts={"lint": "eslint . && prettier -c src"}),
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="prettier",
        case="pattern-without-files",
        files=_CLEAN_NODE,
        node=node(scripts={"format": "prettier --write '{src,test}/**/*.ts' 'docs/**/*.md'"}),
        outcome=FAILED,
        findings=(("package.json", None, "unmatched-pattern"),),
        examined=1,
    ),
    Seed(
        tool="prettier",
        case="unformatted-beside-a-pattern-without-files",
        files={**_CLEAN_NODE, "src/cart.ts": "export const full = {items : [1,2]}\n"},
        node=node(scripts={"format": "prettier --write '{src,test}/**/*.ts' 'docs/**/*.md'"}),
        outcome=FAILED,
        findings=(("src/cart.ts", 1, "unformatted"), ("package.json", None, "unmatched-pattern")),
        examined=2,
    ),
    Seed(
        tool="prettier",
        case="no-pattern-has-files",
        files=_CLEAN_NODE,
        node=node(scripts={"format": "prettier --write 'docs/**/*.md'"}),
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="prettier",
        case="everything-ignored",
        files={**_CLEAN_NODE, ".prettierignore": "**\n"},
        node=node(".prettierrc"),
        outcome=ERRORED,
        examined=0,
    ),
)
_ESLINT_CONFIG = {"eslint.config.js": 'export default [{ rules: { eqeqeq: "error", "no-unused-vars": "warn" } }];\n'}
_LINTED = {**_NODE_IGNORED, **_PACKAGE, **_ESLINT_CONFIG, "src/price.js": "export const free = (price) => price === 0;\n"}
ESLINT = (
    Seed(
        tool="eslint",
        case="fault",
        files={**_LINTED, "src/cart.js": "export const empty = (items) => items == 0;\n"},
        node=node("eslint.config.js"),
        outcome=FAILED,
        findings=(("src/cart.js", 1, "eqeqeq"),),
        examined=3,
    ),
    Seed(tool="eslint", case="clean", files=_LINTED, node=node("eslint.config.js"), outcome=PASSED, examined=2),
    Seed(
        tool="eslint",
        case="default-configuration",
        files={**_CLEAN_NODE, "src/cart.ts": "export const cart: any = 1;\nvar old = 2;\nexport { old };\n"},
        node=node(),
        outcome=FAILED,
        findings=(("src/cart.ts", 1, "@typescript-eslint/no-explicit-any"), ("src/cart.ts", 2, "no-var")),
        examined=2,
    ),
    Seed(
        tool="eslint",
        case="warning",
        files={**_LINTED, "src/cart.js": "const unused = 1;\n"},
        node=node("eslint.config.js"),
        outcome=FAILED,
        findings=(("src/cart.js", 1, "no-unused-vars"),),
        examined=3,
    ),
    Seed(
        tool="eslint",
        case="warning-allowed-by-script",
        files={**_LINTED, "src/cart.js": "const unused = 1;\n"},
        node=node("eslint.config.js", scripts={"lint": "eslint src"}),
        outcome=PASSED,
        examined=2,
    ),
    Seed(
        tool="eslint",
        case="syntax",
        files={**_LINTED, "src/broken.js": "const = ;\n"},
        node=node("eslint.config.js"),
        outcome=FAILED,
        findings=(("src/broken.js", 1, "invalid-syntax"),),
        examined=3,
    ),
    Seed(
        tool="eslint",
        case="bad-configuration",
        files={**_LINTED, "eslint.config.js": 'export default [{ rules: { eqeqeq: "sometimes" } }];\n'},
        node=node("eslint.config.js"),
        outcome=ERRORED,
        examined=0,
    ),
)
_COMPILER = '{ "strict": true, "module": "nodenext", "target": "es2022", "types": [] }'
_TSCONFIG = {"tsconfig.json": f'{{ "compilerOptions": {_COMPILER}, "include": ["src"] }}\n'}
_TYPED = {**_CLEAN_NODE, **_TSCONFIG}
TSC = (
    Seed(
        tool="tsc",
        case="fault",
        files={**_TYPED, "src/cart.ts": 'import { twice } from "./price.js";\n\nexport const receipt: string = twice(1);\n'},
        node=node("tsconfig.json"),
        outcome=FAILED,
        findings=(("src/cart.ts", 3, "TS2322"),),
        examined=2,
    ),
    Seed(tool="tsc", case="clean", files=_TYPED, node=node("tsconfig.json"), outcome=PASSED, examined=1),
    Seed(
        tool="tsc",
        case="declarations-only",
        files={**_NODE_IGNORED, **_PACKAGE, "index.js": "", "index.d.ts": "export declare const empty: Basket;\n"},
        node=node(),
        outcome=FAILED,
        findings=(("index.d.ts", 1, "TS2304"),),
    ),
    Seed(tool="tsc", case="no-tsconfig", files=_CLEAN_NODE, node=node(), outcome=PASSED, examined=1),
    Seed(
        tool="tsc",
        case="elements-without-tsconfig",
        files={
            **_NODE_IGNORED,
            **_PACKAGE,
            "src/view.tsx": (
                "declare namespace JSX {\n  interface IntrinsicElements {\n    p: object;\n  }\n}\nconst view = <p />;\n"
            ),
        },
        node=node(),
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="tsc",
        case="no-inputs",
        files={**_TYPED, "tsconfig.json": '{ "include": ["nowhere"] }\n'},
        node=node("tsconfig.json"),
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="tsc",
        case="syntax",
        files={**_TYPED, "src/broken.ts": "export const = ;\n"},
        node=node("tsconfig.json"),
        outcome=FAILED,
        findings=(("src/broken.ts", 1, "TS1134"),),
        examined=2,
    ),
)


def github_token() -> str:
    """A line with what looks like a GitHub token."""
    return f'"""Settings."""\n\nTOKEN = "{token("gh" + "p_", 36)}"\n'


_BASE: Mapping[str, Text] = {"README.md": "A shop.\n", "settings.py": '"""Settings."""\n'}
_LEAK_THEN_REMOVE: tuple[Mapping[str, Text | None], ...] = (
    {"settings.py": github_token},
    {"settings.py": '"""Settings."""\n', "README.md": "A good shop.\n"},
)


def _secret_seeds(tool: str, rule: str, *, whole_files: bool, **examined: int) -> tuple[Seed, ...]:
    """`whole_files`: it tells again of what the base has in a file that a commit touches, to be compared with the base."""
    leak = ("settings.py", 3, rule)
    return (
        Seed(
            tool=tool,
            case="fault",
            files=_BASE,
            commits=_LEAK_THEN_REMOVE,
            outcome=FAILED,
            findings=(leak,),
            examined=examined["fault"],
        ),
        Seed(
            tool=tool,
            case="clean",
            files=_BASE,
            commits=({"README.md": "A good shop.\n"},),
            outcome=PASSED,
            examined=1,
        ),
        Seed(tool=tool, case="only-deletes", files=_BASE, commits=({"settings.py": None},), outcome=PASSED, examined=1),
        Seed(
            tool=tool,
            case="whole-tree",
            files={**_BASE, "settings.py": github_token},
            outcome=FAILED,
            findings=(leak,),
            examined=2,
        ),
        Seed(
            tool=tool,
            case="in-base-already",
            files={**_BASE, "settings.py": github_token},
            commits=({"README.md": "A good shop.\n"},),
            outcome=PASSED,
            examined=1,
        ),
        Seed(
            tool=tool,
            case="in-base-in-a-touched-file",
            files={**_BASE, "settings.py": github_token},
            commits=({"settings.py": lambda: f"{github_token()}\nDEBUG = False\n"},),
            outcome=FAILED if whole_files else PASSED,
            findings=(leak,) if whole_files else (),
            examined=1,
        ),
        Seed(
            tool=tool,
            case="committed-and-taken-away-in-the-work-tree",
            files=_BASE,
            commits=({"settings.py": github_token},),
            uncommitted={"settings.py": '"""Settings."""\n'},
            outcome=FAILED,
            findings=(leak,),
            examined=examined["mixed"],
        ),
        Seed(
            tool=tool,
            case="work-tree",
            files=_BASE,
            uncommitted={"settings.py": github_token},
            outcome=FAILED,
            findings=(leak,),
            examined=1,
        ),
    )


KINGFISHER = _secret_seeds("kingfisher", "betterleaks.github-pat", whole_files=True, fault=3, mixed=2)
GITLEAKS = _secret_seeds("gitleaks", "github-pat", whole_files=False, fault=2, mixed=2)

SEEDS = (*RUFF_FORMAT, *BLACK, *PRETTIER, *RUFF, *ESLINT, *MYPY, *TSC, *KINGFISHER, *GITLEAKS)
