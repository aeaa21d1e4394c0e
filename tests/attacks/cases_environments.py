"""Attacks by what is installed: on the environments of later changes, on the caches of installers, on what Forge believes of an
environment. All with the real uv, in the sandbox.

Undefended is Forge with one rule taken out: by a subclass that does what it forbids, or by leaving out the one check.
"""

import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from forge_dagster.domain.project import Language
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Command, Environment, ProcessResult
from forge_dagster.workspace import uv_arguments, uv_runs
from forge_dagster.workspace.detect import detect, existing, walk
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.python_environments import PythonEnvironments
from forge_dagster.workspace.python_installer import PythonInstaller
from forge_dagster.workspace.python_pristine import PristineEnvironments
from forge_dagster.workspace.uv_runs import Log, uv_program
from tests.attacks.attack import Attack, Attempt

_POISON = "poisoned = True\n"
_WORD = "what nobody is to see"
_WHEEL = "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "{name}"
version = "1"
requires-python = ">=3.11"
dependencies = [{needs}]
"""
_BACKEND = """\
import os, pathlib, zipfile

def act():
    {action}

def build_wheel(folder, settings=None, metadata=None):
    act()
    name = "{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{name}.pth", os.getcwd() + "\\n")
        wheel.writestr("{name}-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n")
        wheel.writestr("{name}-1.dist-info/WHEEL", {wheel!r})
        wheel.writestr("{name}-1.dist-info/RECORD", "")
    return name

build_editable = build_wheel
"""
_HARMLESS = "pass"


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def _project(root: Path, action: str, *, name: str = "shop", needs: str = "'iniconfig==2.0.0'") -> Path:
    """A project whose build does `action`."""
    backend = _BACKEND.format(action=action, name=name, wheel=_WHEEL)
    return _write(root, {"pyproject.toml": _PROJECT.format(name=name, needs=needs), "backend.py": backend})


def _run(folder: Path) -> ProcessRun:
    (folder / "home").mkdir(exist_ok=True)
    return ProcessRun(home=folder / "home", run_id="attack")


def _of(python: type[PythonEnvironments], folder: Path, root: Path) -> Environment:
    """The environment of the tree, as a server makes it for a change."""
    run = _run(folder)
    environments = LocalEnvironments(folder / "home", run, domain="change")
    environments._python = python(folder / "home", run, domain="change")
    project = detect(root, existing(root, walk(root)))
    return environments.of(Language.PYTHON, root=root, project=project, log=lambda _: None)


def _poisoned(found: Environment) -> bool:
    (module,) = found.bin_directories[0].parent.glob("lib/python*/site-packages/iniconfig/__init__.py")
    return _POISON in module.read_text()


# --- the next change's environment


class _FromAnother(PythonEnvironments):
    """A new checkout is linked to an earlier change's environment."""

    def _linked(self, target: Path, identity: str, python: object, plan: object, project: Path, tests: bool, log: Log) -> bool:
        return self._copied(target, identity, plan, project, log)  # type: ignore[arg-type]


class _InTheOpen(PristineEnvironments):
    """The project is built with its own environment writable, whose files are links."""

    def _install_in_place(self, target: Path, found: object, project: Path, interpreter: str, log: Log) -> None:
        run = self._run.run
        place = ("--python", str(target / "bin/python"), "--no-deps", "--no-build-isolation", "-e", ".")
        cache = project / ".cache"
        result = run(
            Command(
                argv=(uv_program(), "pip", "install", "--offline", *place),
                cwd=project,
                environment={"UV_CACHE_DIR": str(cache)},
                writes=(target,),
            )
        )
        assert result.exit_code == 0, result.stderr


class _BuiltInTheOpen(PythonEnvironments):
    def __init__(self, home: Path, run: ProcessRun, *, domain: str) -> None:
        super().__init__(home, run, domain=domain)
        self._pristine = _InTheOpen(self._folder, run, self._installer, ())


def _next_checkout(python: type[PythonEnvironments], *, lock: bool = True) -> Attempt:
    def play(folder: Path) -> bool:
        """A change's build writes into every environment that it can reach; then comes an innocent one with the same lock, or
        the same declarations.
        """
        places = f"{folder}/home/environments/change"
        action = (
            f"for path in pathlib.Path({places!r}).rglob('iniconfig/__init__.py'):\n"
            f"        try: path.write_text({_POISON!r})\n"
            f"        except OSError: pass"
        )
        first, second = _project(folder / "first", action), _project(folder / "second", _HARMLESS)
        if lock:
            cache = {"UV_CACHE_DIR": str(folder / "home/cache/uv-change")}
            made = _run(folder).run(
                Command(argv=(uv_program(), "lock", "-q"), cwd=first, network=True, environment=cache, trusted=True)
            )
            assert made.exit_code == 0, made.stderr
            (second / "uv.lock").write_bytes((first / "uv.lock").read_bytes())
        _of(python, folder, first)
        found = _of(python, folder, second)
        assert "shop" in found.versions
        return _poisoned(found)

    return play


# --- the cache that the next change installs from


def _wheel(path: Path, name: str, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path / f"{name}-1-py3-none-any.whl", "w") as wheel:
        for place, text in files.items():
            wheel.writestr(place, text)
        wheel.writestr(f"{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        wheel.writestr(f"{name}-1.dist-info/WHEEL", _WHEEL)
        wheel.writestr(f"{name}-1.dist-info/RECORD", "")


def _source(path: Path, name: str, action: str) -> None:
    files = {
        "pyproject.toml": _PROJECT.format(name=name, needs=""),
        "backend.py": _BACKEND.format(action=action, name=name, wheel=_WHEEL),
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1\n",
    }
    with tarfile.open(path / f"{name}-1.tar.gz", "w:gz") as archive:
        for place, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1/{place}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


_POISON_CACHE = "open(os.path.join(os.environ['UV_CACHE_DIR'], 'poison'), 'w').close()"


class _OneStep(PythonInstaller):
    """What is missing is installed as it comes, through the domain's cache."""

    def _add(
        self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log, *, wheels: bool, reads: Sequence[Path] = ()
    ) -> ProcessResult:
        place = ("pip", "install", "--python", str(target / "bin/python"), *arguments)
        return self._uvs.uv(place, cwd, log=log, writes=(target,))


class _ByItsOwnPython(PythonInstaller):
    """Wheels are installed, and compiled, by the environment's own Python."""

    def _install_wheels(
        self, target: Path, cwd: Path, arguments: tuple[str, ...], log: Log, *, reads: object = ()
    ) -> ProcessResult:
        place = ("pip", "install", "--python", str(target / "bin/python"), "--only-binary", ":all:", *arguments)
        return self._uvs.uv(place, cwd, log=log, writes=(target,), reads=reads)  # type: ignore[arg-type]


def _installed_by(installer: type[PythonInstaller]) -> type[PythonEnvironments]:
    class Environments(PythonEnvironments):
        def __init__(self, home: Path, run: ProcessRun, *, domain: str) -> None:
            super().__init__(home, run, domain=domain)
            self._installer = installer(home, run, domain=domain)
            self._pristine = PristineEnvironments(self._folder, run, self._installer, ())

    return Environments


def _poisons_cache(python: type[PythonEnvironments], prepare: Callable[[Path, Path], Path]) -> Attempt:
    def play(folder: Path) -> bool:
        """An index has what `prepare` puts into a folder; whether code of that wrote into the cache that all changes share."""
        links = folder / "links"
        links.mkdir()
        root = prepare(folder, links)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("UV_FIND_LINKS", str(links))
            _of(python, folder, root)
        return (folder / "home/cache/uv-change/poison").exists()

    return play


def _named_by_tox(folder: Path, links: Path) -> Path:
    _source(links, "forge_evil", _POISON_CACHE)
    project = "[project]\nname='x'\nversion='1'\nrequires-python='>=3.11'\n[tool.uv]\npackage=false\n"
    root = _write(folder / "x", {"pyproject.toml": project, "tox.ini": "[testenv]\ndeps = forge_evil\n", "test_x.py": ""})
    lock = "version = 1\nrequires-python = '>=3.11'\n[[package]]\nname = 'x'\nversion = '1'\nsource = { virtual = '.' }\n"
    return _write(root, {"uv.lock": lock})


def _with_pth(folder: Path, links: Path) -> Path:
    _wheel(links, "forge_evil", {"forge_evil.pth": f"import os; {_POISON_CACHE}\n", "forge_evil.py": ""})
    return _write(folder / "x", {"requirements.txt": "forge_evil\n", "a.py": ""})


def _edited(folder: Path, _links: Path) -> Path:
    root = _write(folder / "x", {"requirements.txt": "-r requirements/more.txt\n", "requirements/more.txt": "-e ./evil\n"})
    _project(root / "evil", _POISON_CACHE, name="evil", needs="")
    return _write(root, {"a.py": ""})


def _compiled(folder: Path, _links: Path) -> Path:
    """The lock brings such a wheel, and the project's settings want it compiled."""
    settings = "[tool.uv]\npackage = false\ncompile-bytecode = true\n"
    root = _write(folder / "x", {"pyproject.toml": f"[project]\nname='x'\nversion='1'\n{settings}", "a.py": ""})
    (root / "wheels").mkdir()
    _wheel(root / "wheels", "forge_evil", {"forge_evil.pth": f"import os; {_POISON_CACHE}\n", "forge_evil.py": ""})
    lock = (
        "version = 1\nrequires-python = '>=3.11'\n[[package]]\nname = 'forge-evil'\nversion = '1'\n"
        "source = { registry = 'wheels' }\nwheels = [{ path = 'forge_evil-1-py3-none-any.whl' }]\n"
        "[[package]]\nname = 'x'\nversion = '1'\nsource = { virtual = '.' }\ndependencies = [{ name = 'forge-evil' }]\n"
    )
    return _write(root, {"uv.lock": lock})


def _without(module: ModuleType, name: str, instead: object, attempt: Attempt) -> Attempt:
    def play(folder: Path) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, instead)
            return attempt(folder)

    return play


# --- what Forge believes of an environment


def _show_me(checked: bool) -> Attempt:
    def play(folder: Path) -> bool:
        """A build says in pyvenv.cfg that its Python lives in Forge's home, so that tests are shown that folder."""
        secret = folder / "home/keys/signing.key"
        secret.parent.mkdir(parents=True)
        secret.write_text(_WORD)
        places = f"{folder}/home/environments/change"
        action = (
            f"for path in pathlib.Path({places!r}).rglob('pyvenv.cfg'):\n"
            f"        try: path.write_text('home = {secret.parent.parent}/bin\\n')\n"
            f"        except OSError: pass"
        )
        root = _project(folder / "x", action)
        (root / "uv.toml").write_text("")  # so that it is built in the environment itself, which is linked to nothing
        (secret.parent.parent / "bin").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            if not checked:
                patch.setattr(uv_runs, "checked_frame", lambda _environment, _frame: None)
            try:
                found = _of(PythonEnvironments, folder, root)
            except WorkspaceError:
                return False
        read = Command(argv=("/bin/cat", str(secret)), cwd=root, reads=(found.bin_directories[0].parent,))
        return _WORD.encode() in _run(folder).run(read).stdout

    return play


def _attack(name: str, published: str, undefended: Attempt, defended: Attempt) -> Attack:
    return Attack(name=f"environments/{name}", published=published, undefended=undefended, defended=defended)


ATTACKS = (
    _attack(
        "overwrite a package of the next checkout",
        "TanStack, 2026-05: caches of PR runs",
        _next_checkout(_FromAnother),
        _next_checkout(PythonEnvironments),
    ),
    _attack(
        "write through a link to a shared file",
        "pnpm and conda: hard-linked stores",
        _next_checkout(_BuiltInTheOpen),
        _next_checkout(PythonEnvironments),
    ),
    _attack(
        "overwrite a package of the next checkout that declares the same",
        "TanStack, 2026-05: caches of PR runs",
        _next_checkout(_BuiltInTheOpen, lock=False),
        _next_checkout(PythonEnvironments, lock=False),
    ),
    _attack(
        "build a requirement of tox.ini into the cache",
        "TanStack, 2026-05: caches of PR runs",
        _poisons_cache(_installed_by(_OneStep), _named_by_tox),
        _poisons_cache(PythonEnvironments, _named_by_tox),
    ),
    _attack(
        "run a .pth file of a wheel beside the cache",
        "LiteLLM, 2026-03: code in a .pth file",
        _without(uv_runs, "_NOT_COMPILING", ("--compile-bytecode",), _poisons_cache(_installed_by(_ByItsOwnPython), _with_pth)),
        _poisons_cache(PythonEnvironments, _with_pth),
    ),
    _attack(
        "build an editable requirement into the cache",
        "",
        _without(
            uv_arguments,
            "edits_in_place",
            lambda _files, _folder: False,
            _poisons_cache(PythonEnvironments, _edited),
        ),
        _poisons_cache(PythonEnvironments, _edited),
    ),
    _attack(
        "have wheels compiled beside the cache",
        "LiteLLM, 2026-03: code in a .pth file",
        _without(uv_runs, "_NOT_COMPILING", (), _poisons_cache(PythonEnvironments, _compiled)),
        _poisons_cache(PythonEnvironments, _compiled),
    ),
    _attack("have a folder shown by pyvenv.cfg", "", _show_me(checked=False), _show_me(checked=True)),
)
