"""The gate sca against advisories that the operator mirrors: planted flaws are found, what cannot be known is no pass."""

import base64
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from forge_dagster.domain.outcomes import Attribution, Category, Outcome, Severity
from forge_dagster.domain.results import GateResult
from forge_dagster.domain.settings import Settings
from forge_dagster.errors import WorkspaceError
from forge_dagster.ports import Environment, Environments
from forge_dagster.workspace.environments import LocalEnvironments
from forge_dagster.workspace.processes import ProcessRun
from tests.support.advisories import LOW, advisory, mirror_folder, mirror_zip
from tests.support.gate_bench import Files, GateBench
from tests.support.trivy_seeds import TRIVY_DB

GHSA = "GHSA-aaaa-bbbb-cccc"


def package_lock(**versions: str) -> str:
    packages: dict[str, Any] = {"": {"name": "shop", "dependencies": dict.fromkeys(versions, "*")}}
    packages |= {f"node_modules/{name}": {"version": version} for name, version in versions.items()}
    return json.dumps({"name": "shop", "lockfileVersion": 3, "packages": packages}, indent=2)


def node(**versions: str) -> Files:
    return {
        "package.json": json.dumps({"name": "shop", "dependencies": dict.fromkeys(versions, "*")}),
        "package-lock.json": package_lock(**versions),
    }


def python(version: str, *, package: str = "Left_Pad") -> Files:
    uv_lock = f'''version = 1

[[package]]
name = "shop"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "{package}" }}]

[[package]]
name = "{package}"
version = "{version}"
source = {{ registry = "https://pypi.org/simple" }}
'''
    pyproject = f'[project]\nname = "shop"\nversion = "1"\ndependencies = ["{package}"]\n'
    return {"pyproject.toml": pyproject, "uv.lock": uv_lock}


NOTHING: Files = {"README.md": "# Shop\n"}
MIRROR = (
    advisory(GHSA, "left-pad", aliases=["CVE-2026-1"]),
    advisory("PYSEC-2026-7", "left-pad", ecosystem="PyPI", events=({"introduced": "1.0"}, {"fixed": "1.5"})),
)


class NoEnvironments:
    """Nothing can be installed."""

    def of(self, *arguments: object, **named: object) -> Environment:
        raise WorkspaceError("there is no network", hint="mend it")


class Bench(GateBench):
    """Examines the gate with a mirror."""

    sources: tuple[Path, ...] = ()

    def sca(self, environments: Environments | None = None) -> GateResult:
        settings = Settings(home=self.folder / "home", advisories=self.sources)
        return self.examine("sca", environments=environments, settings=settings)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    run = ProcessRun(home=None, run_id="sca")
    bench = Bench(tmp_path, run, LocalEnvironments(tmp_path / "home", run))
    bench.sources = (mirror_folder(tmp_path / "mirror", MIRROR),)
    yield bench
    run.stop()


def test_a_vulnerable_package_fails_and_says_what_mends_it(bench: Bench) -> None:
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}))
    result = bench.sca()
    assert result.outcome is Outcome.FAILED, result.reason
    (finding,) = result.findings
    assert (finding.rule, finding.category, finding.severity) == (GHSA, Category.DEPENDENCY, Severity.ERROR)
    assert finding.attribution is Attribution.NEW
    assert finding.file == "package-lock.json"
    assert finding.line is not None
    assert "left-pad" in bench.root.joinpath("package-lock.json").read_text().splitlines()[finding.line - 1]
    assert "left-pad 1.0.0" in finding.message
    assert "CVE-2026-1" in finding.message
    assert "2.0.0" in finding.suggested_fix
    assert "1 component matched" in result.reason
    assert "1 for npm (newest of 2026-11-01)" in result.reason
    (run,) = result.tools
    assert (run.tool, run.outcome, run.examined) == ("osv", Outcome.FAILED, 1)


def test_the_clean_twin_passes_with_a_bill_of_materials(bench: Bench) -> None:
    bench.plant(NOTHING, node(**{"left-pad": "2.0.0", "@scope": "1.0.0"}))
    result = bench.sca()
    assert result.outcome is Outcome.PASSED, result.reason
    assert result.findings == ()
    text = Path(result.artifacts["sbom"]).read_text()
    assert "pkg:npm/left-pad@2.0.0" in text
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


@pytest.mark.skipif(shutil.which("trivy") is None, reason="trivy is not installed")
def test_the_real_trivy_reads_its_database_in_the_operators_mirror(bench: Bench) -> None:
    theirs = bench.sources[0] / "trivy" / "db"
    theirs.mkdir(parents=True)
    (theirs / "trivy.db").write_bytes(zlib.decompress(base64.b85decode(TRIVY_DB)))
    told = {"Version": 2, "UpdatedAt": "2026-11-01T10:00:00Z", "NextUpdate": "2076-11-01T10:00:00Z"}
    (theirs / "metadata.json").write_text(json.dumps(told))
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}))
    result = bench.sca()
    assert [(run.tool, run.outcome) for run in result.tools] == [("osv", Outcome.FAILED), ("trivy", Outcome.FAILED)]
    assert {(finding.tool, finding.rule) for finding in result.findings} == {("osv", GHSA), ("trivy", GHSA)}


def test_python_from_a_zip(bench: Bench, tmp_path: Path) -> None:
    bench.sources = (mirror_zip(tmp_path / "PyPI" / "all.zip", MIRROR),)
    bench.plant(NOTHING, python("1.4"))
    result = bench.sca()
    assert result.outcome is Outcome.FAILED, result.reason
    assert [(f.rule, f.file) for f in result.findings] == [("PYSEC-2026-7", "uv.lock")]
    bench.plant(NOTHING, python("1.5"))
    assert bench.sca().outcome is Outcome.PASSED


def test_what_the_base_has_too_does_not_fail_even_after_an_update_that_mends_nothing(bench: Bench) -> None:
    bench.plant(node(**{"left-pad": "1.0.0"}), node(**{"left-pad": "1.1.0"}))
    result = bench.sca()
    assert result.outcome is Outcome.PASSED, result.reason
    assert "baseline red" in result.reason
    assert [f.attribution for f in result.findings] == [Attribution.PREEXISTING]


def test_without_a_base_everything_counts(bench: Bench) -> None:
    bench.plant(node(**{"left-pad": "1.0.0"}))
    assert bench.sca().outcome is Outcome.FAILED


def test_below_the_threshold_is_a_warning(bench: Bench, tmp_path: Path) -> None:
    bench.sources = (mirror_folder(tmp_path / "low", [advisory(GHSA, "left-pad", score=LOW)]),)
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}))
    result = bench.sca()
    assert result.outcome is Outcome.PASSED
    assert [f.severity for f in result.findings] == [Severity.WARNING]
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}), policy='[gates.sca]\nfail_on = "low"\n')
    assert bench.sca().outcome is Outcome.FAILED


@pytest.mark.parametrize("accepted", [GHSA, "CVE-2026-1"])
def test_an_accepted_advisory_is_a_note(bench: Bench, accepted: str) -> None:
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}), policy=f'[gates.sca]\naccept = ["{accepted}"]\n')
    result = bench.sca()
    assert result.outcome is Outcome.PASSED, result.reason
    assert [f.severity for f in result.findings] == [Severity.NOTE]


def test_advisories_that_cannot_be_read_are_errored(bench: Bench, tmp_path: Path) -> None:
    empty, corrupt, other, broken = tmp_path / "empty", tmp_path / "corrupt", tmp_path / "other", tmp_path / "broken.zip"
    empty.mkdir()
    corrupt.mkdir()
    (corrupt / "a.json").write_text('{"id": "GHSA')
    mirror_folder(other, [MIRROR[1]])
    broken.write_bytes(mirror_zip(tmp_path / "good.zip", MIRROR).read_bytes()[:-40])
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}))
    for place, said in (
        (tmp_path / "missing", "cannot be read"),
        (empty, "no advisory"),
        (corrupt, "a.json is no advisory"),
        (broken, "broken.zip cannot be read"),
        (other, "hold none for npm"),
    ):
        bench.sources = (place,)
        result = bench.sca()
        assert result.outcome is Outcome.ERRORED, place
        assert said in result.reason
        assert "osv.dev" in result.reason


def test_a_mirror_that_changes_is_read_again_and_a_damaged_index_made_anew(bench: Bench, tmp_path: Path) -> None:
    bench.plant(NOTHING, node(**{"left-pad": "1.0.0"}))
    assert bench.sca().outcome is Outcome.FAILED
    (tmp_path / "mirror" / "npm" / f"{GHSA}.json").unlink()
    mirror_folder(tmp_path / "mirror", [advisory("GHSA-other", "elsewhere")])
    assert bench.sca().outcome is Outcome.PASSED
    mirror_folder(tmp_path / "mirror", [MIRROR[0]])
    for index in (bench.folder / "home" / "advisories-index").iterdir():
        index.write_bytes(b"this is no database, but it is long enough to be taken for one" * 100)
    assert bench.sca().outcome is Outcome.FAILED


HOSTILE = {
    "deep": '{"packages": ' * 20_000,
    "binary": "\0\1\2",
    "odd": '{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": {}}}}',
    "no lock at all": "null",
    "two values": '{"lockfileVersion": 3, "packages": {}}{}',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_lock_is_errored(bench: Bench, kind: str) -> None:
    bench.plant(NOTHING, {**node(a="1.0.0"), "package-lock.json": HOSTILE[kind]})
    result = bench.sca()
    assert result.outcome is Outcome.ERRORED, result.reason
    assert "package-lock.json" in result.reason


def test_a_huge_lock_is_errored(bench: Bench) -> None:
    bench.plant(NOTHING, {**node(a="1.0.0"), "package-lock.json": " " * (33 * 1024 * 1024)})
    assert bench.sca().outcome is Outcome.ERRORED


def test_a_lock_that_leads_out_of_the_tree_is_errored(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text(package_lock(a="1.0.0"))
    bench.plant(node(a="1.0.0"), {"README.md": "# Shop\n"})
    (bench.root / "package-lock.json").unlink()
    (bench.root / "package-lock.json").symlink_to(tmp_path / "elsewhere.json")
    bench.commit_more()
    assert bench.sca().outcome is Outcome.ERRORED


def test_an_environment_that_cannot_be_installed_is_errored(bench: Bench) -> None:
    bench.plant(NOTHING, {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\ndependencies = ["left-pad"]\n'})
    result = bench.sca(NoEnvironments())  # type: ignore[arg-type]
    assert result.outcome is Outcome.ERRORED
    assert "there is no network" in result.reason


def test_no_dependency_is_skipped(bench: Bench) -> None:
    bench.plant(NOTHING, {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n', "shop.py": "PRICE = 1\n"})
    result = bench.sca()
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, "no third-party dependency")


@pytest.mark.slow
def test_without_a_mirror_and_with_nobody_to_ask_it_is_errored(bench: Bench) -> None:
    bench.sources = ()
    bench.plant(NOTHING, {**python("1.4")})
    result = bench.sca(NoEnvironments())  # type: ignore[arg-type]
    assert result.outcome is Outcome.ERRORED
    assert "advisories" in result.reason
    assert "enabled = false" in result.reason


@pytest.mark.slow
@pytest.mark.parametrize("base", [NOTHING, None], ids=["with a base", "without"])
def test_a_registry_that_does_not_answer_is_errored(bench: Bench, monkeypatch: pytest.MonkeyPatch, base: Files | None) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
    bench.sources = ()
    clean = node(**{"left-pad": "2.0.0"})
    bench.plant(clean if base is None else base, None if base is None else clean)
    result = bench.sca()
    assert result.outcome is Outcome.ERRORED, result.reason
    assert "npm_audit" in [run.tool for run in result.tools]
    assert "got no answer" in result.reason
    assert "advisories" in result.reason
