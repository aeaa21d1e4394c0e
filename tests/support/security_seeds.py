"""Seeds of the scanners of gate `sast`."""

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import NodeProject, PythonProject
from tests.support.seeds import Seed

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

_PYTHON = PythonProject(manager="pip")
_NODE = NodeProject(manager="npm", package={"name": "shop"})
_BANDIT = PythonProject(manager="pip", pyproject={"tool": {"bandit": {"skips": ["B404"]}}})
_PYPROJECT = '[tool.bandit]\nskips = ["B404"]\n'

_CLEAN = {
    "src/shop/__init__.py": '"""A shop."""\n',
    "src/shop/price.py": '"""Prices."""\n\n\ndef total(prices: list[int]) -> int:\n    """Add up."""\n    return sum(prices)\n',
}
_FIND = '"""Carts."""\n\n\ndef find(cursor, name):\n    cursor.execute(f"SELECT * FROM carts WHERE name = \'{name}\'")\n'
_RUN = '"""Carts."""\n\nimport subprocess\n\n\ndef pack(name):\n    subprocess.run(f"tar cf {name}", shell=True, check=True)\n'
_EXCUSED_BEFORE = "import yaml\n\n\ndef read(file):\n    return yaml.load(file)  # nosemgrep\n"
_EXCUSED_BY_CHANGE = f"{_EXCUSED_BEFORE}\n\ndef read_all(file):\n    # nosemgrep: py-unsafe-yaml\n    return yaml.load(file)\n"
_PAGE = 'export function show(element: HTMLElement, name: string): void {\n  element.innerHTML = "<b>" + name + "</b>";\n}\n'
_VUE = (
    '<template><p ref="box" /></template>\n<script setup lang="ts" generic="T extends A<B>">\nimport { ref } from "vue";\n'
    "const box = ref<HTMLElement>();\nfunction show(name: T): void { box.value!.innerHTML = `<b>${name}</b>`; }\n</script>\n"
)
_SVELTE = "<!-- A row. -->\n<script>\n  export let name; $: box.innerHTML = '<b>' + name;\n</script>\n<p>{name}</p>\n"
_ASTRO = "---\nconst made = eval(Astro.props.code);\n---\n<p>{made}</p>\n"
_OWN_RULE = """rules:
  - id: no-print
    languages: [python]
    severity: ERROR
    message: Use the log.
    pattern: print(...)
"""

SEMGREP = (
    Seed(
        tool="semgrep",
        case="fault",
        files={**_CLEAN, "src/shop/cart.py": _FIND},
        python=_PYTHON,
        outcome=FAILED,
        findings=(("src/shop/cart.py", 5, "py-sql-formatted"),),
        examined=3,
    ),
    Seed(tool="semgrep", case="clean", files=_CLEAN, python=_PYTHON, outcome=PASSED, examined=2),
    Seed(
        tool="semgrep",
        case="typescript",
        files={"src/page.ts": _PAGE, "README.md": "# Shop\n"},
        node=_NODE,
        outcome=FAILED,
        findings=(("src/page.ts", 2, "js-html-sink"),),
        examined=1,
    ),
    Seed(
        tool="semgrep",
        case="components",
        files={"src/App.vue": _VUE, "src/Row.svelte": _SVELTE, "src/page.astro": _ASTRO, "src/plain.vue": "<template />\n"},
        node=_NODE,
        outcome=FAILED,
        findings=(("src/App.vue", 5, "js-html-sink"), ("src/Row.svelte", 3, "js-html-sink"), ("src/page.astro", 2, "js-eval")),
        examined=4,
    ),
    Seed(
        tool="semgrep",
        case="components-clean",
        files={"src/App.vue": _VUE.replace("innerHTML", "textContent")},
        node=_NODE,
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="semgrep",
        case="only-what-changed",
        files={**_CLEAN, "src/shop/cart.py": _FIND},
        commits=({"src/shop/pack.py": _RUN},),
        python=_PYTHON,
        outcome=FAILED,
        findings=(("src/shop/pack.py", 7, "py-shell-formatted"),),
        examined=1,
    ),
    Seed(
        tool="semgrep",
        case="excused-by-the-change",
        files={**_CLEAN, "src/shop/read.py": _EXCUSED_BEFORE},
        commits=({"src/shop/read.py": _EXCUSED_BY_CHANGE},),
        python=_PYTHON,
        outcome=FAILED,
        findings=(("src/shop/read.py", 10, "py-unsafe-yaml"),),
        examined=1,
    ),
    Seed(
        tool="semgrep",
        case="excused-before",
        files={**_CLEAN, "src/shop/read.py": _EXCUSED_BEFORE},
        commits=({"src/shop/read.py": f"{_EXCUSED_BEFORE}\n\nLIMIT = 3\n"},),
        python=_PYTHON,
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="semgrep",
        case="ignored-by-the-change",
        files=_CLEAN,
        commits=({"src/shop/cart.py": _FIND, ".semgrepignore": "src/\n"},),
        python=_PYTHON,
        outcome=FAILED,
        findings=(("src/shop/cart.py", 5, "py-sql-formatted"),),
        examined=1,
    ),
    Seed(
        tool="semgrep",
        case="own-rules",
        files={**_CLEAN, "src/shop/talk.py": "print(1)\n", ".semgrep.yml": _OWN_RULE},
        python=_PYTHON,
        outcome=FAILED,
        findings=(("src/shop/talk.py", 1, "no-print"),),
        examined=3,
    ),
    Seed(
        tool="semgrep",
        case="broken-rules",
        files={**_CLEAN, ".semgrep.yml": "rules:\n  - id: no-pattern\n"},
        python=_PYTHON,
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="semgrep",
        case="unparsable",
        files=_CLEAN,
        commits=({"src/shop/broken.js": "}}}} eval(x ((((\n"},),
        python=_PYTHON,
        node=_NODE,
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="semgrep",
        case="weakness-in-a-test",
        files={**_CLEAN, "tests/test_cart.py": _FIND},
        python=_PYTHON,
        outcome=PASSED,
        examined=3,
    ),
)
_EVAL = '"""Carts."""\n\n\ndef read(text):\n    return eval(text)\n'
BANDIT = (
    Seed(
        tool="bandit",
        case="fault",
        files={**_CLEAN, "pyproject.toml": _PYPROJECT, "src/shop/pack.py": _RUN},
        python=_BANDIT,
        outcome=FAILED,
        findings=(("src/shop/pack.py", 7, "B602"),),
        examined=3,
    ),
    Seed(
        tool="bandit",
        case="clean",
        files={**_CLEAN, "pyproject.toml": _PYPROJECT},
        python=_BANDIT,
        outcome=PASSED,
        examined=2,
    ),
    Seed(
        tool="bandit",
        case="syntax",
        files={**_CLEAN, "pyproject.toml": _PYPROJECT, "src/shop/broken.py": "def total(:\n    pass\n"},
        python=_BANDIT,
        outcome=ERRORED,
        examined=0,
    ),
    Seed(
        tool="bandit",
        case="excused-by-the-change",
        files={**_CLEAN, "pyproject.toml": _PYPROJECT, "src/shop/old.py": _EVAL},
        commits=({"src/shop/read.py": _EVAL.replace("(text)\n", "(text)  # nosec\n", 2)},),
        python=_BANDIT,
        outcome=FAILED,
        findings=(("src/shop/read.py", 5, "B307"),),
        examined=1,
    ),
    Seed(
        tool="bandit",
        case="only-low",
        files={**_CLEAN, "pyproject.toml": _PYPROJECT, "src/shop/check.py": "def check(x):\n    assert x\n"},
        python=_BANDIT,
        outcome=PASSED,
        examined=3,
    ),
    Seed(
        tool="bandit",
        case="excluded",
        files={**_CLEAN, "pyproject.toml": '[tool.bandit]\nexclude_dirs = ["src"]\n'},
        commits=({"src/shop/pack.py": _RUN},),
        python=_BANDIT,
        outcome=Outcome.SKIPPED,
        examined=0,
    ),
    Seed(
        tool="bandit",
        case="bad-configuration",
        files={**_CLEAN, "bandit.yaml": "skips: [B101\n"},
        python=_PYTHON,
        outcome=ERRORED,
        examined=0,
    ),
)
SEEDS = (*SEMGREP, *BANDIT)
