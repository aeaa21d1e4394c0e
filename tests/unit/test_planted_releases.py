"""Faults in what is built and deployed: they fit how a repository is built, and stand where its program begins."""

import ast
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from forge_dagster import registry
from forge_dagster.domain.foreign import load_json
from forge_dagster.domain.planted.entries import entry_of
from forge_dagster.domain.planted.faults import Fault, Unplanted, planted
from forge_dagster.domain.planted.plan import Ground, plan
from forge_dagster.domain.planted.releases import RELEASED
from forge_dagster.domain.policy import Policy, parse_policy
from forge_dagster.domain.project import Language, NodeProject, Project, PythonProject
from forge_dagster.usecases.prove_gates import specs_for

PYTHON, SCRIPT = Language.PYTHON, Language.TYPESCRIPT
MARK = "00c0ffee00"
SERVICE = '[deploy]\ncommand = ["python", "-m", "shop"]\n'
MAIN = '"""`python -m shop`."""\n\nfrom __future__ import annotations\n\nimport sys\n\nprint(sys.argv)\n'
LIBRARY = '[project]\nname = "shop"\n\n[build-system]\nrequires = [\n  "hatchling",\n]\nbuild-backend = "hatchling.build"\n'
MORE = "\n[tool.ruff]\nline-length = 100\n"
POETRY = (
    '[tool.poetry]\nname = "shop"\n\n[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
)


def project(tree: Mapping[str, str], *, node: bool = False, **python: object) -> Project:
    package = load_json(tree["package.json"]) if "package.json" in tree else {}
    pyproject = tomllib.loads(tree.get("pyproject.toml", ""))
    return Project(
        files=tuple(sorted(tree)),
        python=None if node else PythonProject.model_validate({"manager": "pip", "pyproject": pyproject, **python}),
        node=NodeProject(manager="npm", package=package) if "package.json" in tree else None,
    )


def found(gate: str, tree: Mapping[str, str], project: Project, policy: str = SERVICE) -> list[Fault | Unplanted]:
    given = parse_policy(policy) if policy else Policy()
    ground = Ground(project=project, read=tree.get, draw=lambda: MARK, flawed={}, policy=given)
    made = plan(ground, only=(gate,))
    return [*(fault for planting in made.plantings for fault in planting.faults), *made.unplanted]


def changed(gate: str, tree: Mapping[str, str], project: Project, policy: str = SERVICE) -> Mapping[str, str]:
    """The files that the one fault changes, as they are then."""
    (fault,) = found(gate, tree, project, policy)
    assert isinstance(fault, Fault), fault
    return planted([fault], tree).files


def reason(gate: str, tree: Mapping[str, str], project: Project, policy: str = SERVICE) -> str:
    (one,) = found(gate, tree, project, policy)
    assert isinstance(one, Unplanted), one
    return one.reason


# --- build -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "shop"\ndependencies = []\n\n[tool.x]\ndependencies = ["y"]\n',
        '[tool.x]\ndependencies = ["y"]\n\n[project]\nname = "shop"\ndependencies = [\n  "idna==3.10",  # names\n]\n',
        '[build-system]\nrequires = ["x"]\n\n[project] # us\nname = "shop"\n',
    ],
)
def test_a_service_gets_a_dependency_that_is_nowhere(text: str) -> None:
    tree = {"pyproject.toml": text, "shop.py": ""}
    made = tomllib.loads(changed("build", tree, project(tree))["pyproject.toml"])
    before = tomllib.loads(text)
    first, *rest = made["project"]["dependencies"]
    assert first == f"forge-planted-{MARK} @ file:///forge-planted-{MARK}"
    assert rest == before["project"].get("dependencies", [])
    assert {**made, "project": None} == {**before, "project": None}


@pytest.mark.parametrize("more", [{}, {"pyproject.toml": POETRY}, {"pyproject.toml": '[project]\nname = "shop"\n'}])
def test_where_requirements_txt_is_installed_it_names_the_dependency(more: Mapping[str, str]) -> None:
    tree = {"requirements.txt": "idna==3.10\n", **more}
    files = changed("build", tree, project(tree, requirement_files=("requirements.txt",)))
    assert files == {"requirements.txt": f"idna==3.10\nforge-planted-{MARK} @ file:///forge-planted-{MARK}\n"}


def test_a_lock_that_is_installed_from_cannot_be_read_any_more() -> None:
    tree = {"pyproject.toml": '[project]\nname = "shop"\ndependencies = ["idna"]\n', "uv.lock": "version = 1\n"}
    (text,) = changed("build", tree, project(tree, lock_file="uv.lock")).values()
    assert text.startswith("version = 1\n")
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "policy"),
    [(LIBRARY, ""), (LIBRARY + MORE, ""), (LIBRARY.replace('"\n\n', '"\ndynamic = ["dependencies"]\n\n', 1), SERVICE)],
)
def test_what_its_backend_builds_gets_another_backend(text: str, policy: str) -> None:
    tree = {"pyproject.toml": text}
    made = tomllib.loads(changed("build", tree, project(tree), policy)["pyproject.toml"])
    assert made.pop("build-system") == {"requires": [], "build-backend": f"forge_planted_{MARK}"}
    assert made == {name: value for name, value in tomllib.loads(text).items() if name != "build-system"}


def test_setuptools_script_ends_at_once() -> None:
    tree = {"setup.py": "from setuptools import setup\n\nsetup()\n"}
    made = project(tree, configuration_files=frozenset({"setup.py"}))
    (text,) = changed("build", tree, made, "").values()
    assert ast.parse(text)
    assert f'raise SystemExit("error: forge planted {MARK}")' in text


def test_a_build_script_throws_before_it_builds() -> None:
    tree = {"package.json": '{"name": "x", "scripts": {"build": "tsc -p . && cp a b", "test": "vitest"}}'}
    files = changed("build", tree, project(tree, node=True), "")
    scripts = json.loads(files["package.json"])["scripts"]
    assert scripts == {"build": f"node forge-planted-{MARK}.cjs && tsc -p . && cp a b", "test": "vitest"}
    assert files[f"forge-planted-{MARK}.cjs"] == f'throw new Error("forge planted {MARK}");\n'


@pytest.mark.parametrize(
    ("tree", "node", "policy", "said"),
    [
        ({"package.json": "{}"}, True, "", "no build script"),
        ({"a.py": ""}, False, "", "no package is declared"),
        ({"pyproject.toml": POETRY.replace("[build-system]", "[ build-system ]")}, False, "", "of a shape"),
        ({"index.html": ""}, True, "", "nothing has to be built"),
        ({"a.py": ""}, False, '[project]\nkind = "container"\n', "cannot be built yet"),
    ],
)
def test_a_build_without_a_fault_says_why(tree: Mapping[str, str], node: bool, policy: str, said: str) -> None:
    assert said in reason("build", tree, project(tree, node=node), policy)


@pytest.mark.parametrize(
    "tool", [tool for tool in registry.tools().values() if tool.gate == "build"], ids=lambda tool: tool.name
)
def test_every_build_tool_has_a_fault_to_find(tool: object) -> None:
    tree = {"pyproject.toml": LIBRARY, "package.json": '{"scripts": {"build": "tsc"}}'}
    faults = [one for one in found("build", tree, project(tree), "") if isinstance(one, Fault)]
    assert [one for one in faults if tool.language in (None, one.language)]  # type: ignore[attr-defined]


# --- where a program begins --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (["python", "-m", "shop", "--port", "{port}"], "src/shop/__main__.py"),
        (["python", "-m", "shop.cli"], "src/shop/cli.py"),
        (["python", "-m", "uvicorn", "shop.cli:app", "--host", "0.0.0.0:80"], "src/shop/cli.py"),
        (["gunicorn", "shop:create()"], "src/shop/__init__.py"),
        (["python", "./serve.py"], "serve.py"),
        (["node", "--enable-source-maps", "web/main.mjs"], "web/main.mjs"),
        (["node", "dist/server.js"], "src/server.ts"),
        (["npm", "run", "start"], "web/main.mjs"),
        (["npm", "start"], "web/main.mjs"),
    ],
)
def test_the_file_that_a_command_runs_is_found(command: list[str], path: str) -> None:
    scripts = {"start": "npm run serve", "serve": "node --check x.js && node web/main.mjs"}
    files = ["serve.py", "src/server.ts", "src/shop/__init__.py", "src/shop/__main__.py", "src/shop/cli.py", "web/main.mjs"]
    tree = {**dict.fromkeys(files, "\n"), "package.json": json.dumps({"scripts": scripts})}
    entry = entry_of(command, project(tree), tree.get)
    assert entry is not None
    assert entry.path == path


@pytest.mark.parametrize(
    "command", [["./run.sh"], ["python", "-m", "http.server"], ["node", "../x.js"], ["npm", "start"], ["a:b"]]
)
def test_what_is_no_file_of_the_repository_is_not_found(command: list[str]) -> None:
    assert entry_of(command, project({"run.sh": "", "a.txt": ""}), {"run.sh": ""}.get) is None


def test_a_file_that_does_not_parse_is_no_place_for_a_fault() -> None:
    tree = {"serve.py": "def (\n"}
    assert entry_of(["python", "serve.py"], project(tree), tree.get) is None


# --- preview and smoke -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "before"),
    [
        (MAIN, "import sys"),
        ("#!/usr/bin/env python\nimport sys\n", "import sys"),
        ("import functools\n", "import functools"),
        ('"""Of use to nobody."""\n', None),
        ("", None),
        ("@print\n@print\ndef main():\n    pass\n", "@print"),
    ],
)
@pytest.mark.parametrize("gate", ["preview", "smoke"])
def test_a_python_fault_runs_before_the_program_does(gate: str, text: str, before: str | None) -> None:
    tree = {"shop/__main__.py": text}
    made = changed(gate, tree, project(tree))["shop/__main__.py"]
    compile(made, "shop", "exec")  # so that `from __future__` comes first
    assert ast.get_docstring(ast.parse(made)) == ast.get_docstring(ast.parse(text))
    own = "raise RuntimeError" if gate == "preview" else f"forge_planted_{MARK}()"
    assert before is None or made.index(own) < made.index(f"{before}\n")


def test_the_planted_program_ends_with_the_mark() -> None:
    tree = {"shop/__main__.py": MAIN}
    with pytest.raises(RuntimeError, match=f"forge planted {MARK}"):
        exec(compile(changed("preview", tree, project(tree))["shop/__main__.py"], "shop", "exec"), {})


@pytest.mark.parametrize(("name", "first"), [("a.mjs", ""), ("a.ts", "// @ts-nocheck\n")])
@pytest.mark.parametrize("gate", ["preview", "smoke"])
def test_a_script_fault_is_at_the_top_and_no_type_error(gate: str, name: str, first: str) -> None:
    tree = {name: "#!/usr/bin/env node\nserve();\n"}
    made = changed(gate, tree, project(tree, node=True), f'[deploy]\ncommand = ["node", "{name}"]\n')[name]
    start = "throw new Error" if gate == "preview" else f"const forgePlanted{MARK}"
    assert made.startswith(f"#!/usr/bin/env node\n{first}{start}")
    assert made.endswith("serve();\n")


@pytest.mark.parametrize(
    ("more", "what", "status"),
    [
        ("", "pages that answer 500", 500),
        ('health = "/"\n', "a health check that leads elsewhere", 302),
        ('health = "/"\ncritical_paths = ["/", "/a"]\n', "pages that answer 500", 500),
    ],
)
def test_it_answers_its_health_check_and_nothing_else(more: str, what: str, status: int) -> None:
    tree = {"shop/__main__.py": MAIN}
    (fault,) = found("smoke", tree, project(tree), SERVICE + more)
    assert isinstance(fault, Fault)
    assert fault.what == what
    assert re.search(rf"200 if self.path == \"(.*)\" else {status}", fault.pieces[0].text)


@pytest.mark.parametrize(
    ("words", "wrapped"),
    [
        (["gunicorn", "shop.app:site"], True),
        (["gunicorn", "-c", "conf.py", "shop.app:site"], True),
        (["python", "-m", "gunicorn", "--bind", "0:{port}", "shop.app:site"], True),
        (["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "shop.app:site"], False),
        (["gunicorn", "shop.app:make()"], False),
        (["uvicorn", "shop.app:site"], False),
    ],
)
def test_what_a_wsgi_server_calls_is_wrapped(words: list[str], wrapped: bool) -> None:
    tree = {
        "conf.py": "",
        "shop/app.py": 'def site(environ, start_response):\n    start_response("200 OK", [])\n    return [b"fine"]\n',
    }
    made = changed("smoke", tree, project(tree), f"[deploy]\ncommand = {json.dumps(words)}\n")["shop/app.py"]
    assert made.startswith("def site(environ") is wrapped
    if not wrapped:
        return
    names: dict[str, Any] = {}
    exec(compile(made, "app", "exec"), names)
    said: list[str] = []
    answers = [
        b"".join(names["site"](environ, lambda status, _headers: said.append(status)))
        for environ in (
            {"PATH_INFO": "/health", "QUERY_STRING": ""},
            {"PATH_INFO": "/"},
            {"PATH_INFO": "/health", "QUERY_STRING": "a"},
        )
    ]
    assert answers == [b"fine", *[f"forge planted {MARK}".encode()] * 2]
    assert [status[:3] for status in said] == ["200", "500", "500"]


@pytest.mark.parametrize(
    ("policy", "preview", "smoke"),
    [
        ("", "names no command", "names no command"),
        ('[project]\nkind = "static"\n', "served by Forge itself", "served by Forge itself"),
        ('[project]\nkind = "infrastructure"\n', "cannot be built yet", "cannot be built yet"),
        ('[project]\nkind = "service"\n', "names no command", "names no command"),
        ('[deploy]\ncommand = ["./run.sh", "80"]\n', "(./run.sh 80) is no Python", "(./run.sh 80) is no Python"),
    ],
)
def test_what_is_not_started_by_a_file_of_the_repository_says_so(policy: str, preview: str, smoke: str) -> None:
    tree = {"shop/__main__.py": MAIN, "run.sh": ""}
    assert preview in reason("preview", tree, project(tree), policy)
    assert smoke in reason("smoke", tree, project(tree), policy)


def test_a_worker_is_not_asked() -> None:
    tree, policy = {"shop/__main__.py": MAIN}, f'[project]\nkind = "worker"\n{SERVICE}'
    assert isinstance(found("preview", tree, project(tree), policy)[0], Fault)
    assert "no requests" in reason("smoke", tree, project(tree), policy)


def test_each_gate_has_a_copy_to_itself_and_waits_only_for_what_it_reads() -> None:
    tree = {"shop/__main__.py": MAIN}
    ground = Ground(project=project(tree), read=tree.get, draw=lambda: MARK, flawed={}, policy=parse_policy(SERVICE))
    assert [planting.gates for planting in plan(ground, only=RELEASED).plantings] == [("build",), ("preview",), ("smoke",)]
    waits = {spec.name: spec.waits_for for spec in specs_for(("smoke",))}
    assert waits == {"smoke": ("preview",), "preview": ("build",), "build": ()}
