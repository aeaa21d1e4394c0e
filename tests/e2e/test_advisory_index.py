"""The index of the operator's advisories: brought up to date by what changed, and no more than that."""

from pathlib import Path

import pytest

from forge_dagster.domain.sbom import Ecosystem
from forge_dagster.gates.advisory_index import AdvisoriesUnreadable, advisories_of
from tests.support.advisories import advisory, mirror_folder, mirror_zip

HOUR = 3600.0
PACKAGES = [(Ecosystem.NPM, f"pkg-{number}") for number in range(1_200)]


class Index:
    def __init__(self, folder: Path, *sources: Path) -> None:
        self.folder, self.sources, self.log = folder / "index", sources, list[str]()

    def ids(self, now: float = 0.0) -> list[str]:
        self.log.clear()
        found = advisories_of(self.sources, PACKAGES, folder=self.folder, now=now, log=self.log.append)
        return sorted(one.id for several in found.by_package.values() for one in several)


def test_many_packages_are_asked_for_at_once(tmp_path: Path) -> None:
    mirror = mirror_zip(tmp_path / "all.zip", [advisory(f"GHSA-{n}", f"pkg-{n}") for n in range(0, 1_200, 100)])
    assert len(Index(tmp_path, mirror).ids()) == 12


def test_nothing_is_read_twice(tmp_path: Path) -> None:
    folder = mirror_folder(tmp_path / "mirror", [advisory("GHSA-1", "pkg-1")])
    index = Index(tmp_path, folder, mirror_zip(tmp_path / "all.zip", [advisory("GHSA-2", "pkg-2")]))
    assert index.ids() == ["GHSA-1", "GHSA-2"]
    assert index.log == ["reading 2 files of advisories that are new"]
    assert index.ids(now=2 * HOUR) == ["GHSA-1", "GHSA-2"]
    assert index.log == []


def test_a_file_that_is_added_or_a_zip_that_is_replaced_shows_at_once(tmp_path: Path) -> None:
    folder = mirror_folder(tmp_path / "mirror", [advisory("GHSA-1", "pkg-1")])
    archive = mirror_zip(folder / "npm" / "all.zip", [advisory("GHSA-2", "pkg-2")])
    index = Index(tmp_path, folder)
    assert index.ids() == ["GHSA-1", "GHSA-2"]
    mirror_folder(folder, [advisory("GHSA-3", "pkg-3")])
    assert index.ids() == ["GHSA-1", "GHSA-2", "GHSA-3"]
    assert index.log == ["reading 1 file of advisories that are new"]
    mirror_zip(archive, [advisory("GHSA-4", "pkg-4", summary="longer than it was before")])
    assert index.ids() == ["GHSA-1", "GHSA-3", "GHSA-4"]


def test_what_a_scanner_keeps_beside_its_own_database_is_no_advisory(tmp_path: Path) -> None:
    folder = mirror_folder(tmp_path / "mirror", [advisory("GHSA-1", "pkg-1")])
    theirs = folder / "trivy" / "db"
    theirs.mkdir(parents=True)
    (theirs / "trivy.db").write_bytes(b"")
    (theirs / "metadata.json").write_text('{"Version": 2}')
    assert Index(tmp_path, folder).ids() == ["GHSA-1"]


def test_another_database_beside_advisories_hides_none(tmp_path: Path) -> None:
    folder = mirror_folder(tmp_path / "mirror", [advisory("GHSA-1", "pkg-1")])
    for place in {path.parent for path in folder.rglob("*.json")}:
        (place / "Thumbs.db").write_bytes(b"")
        (place / "trivy.db").write_bytes(b"")
    assert Index(tmp_path, folder).ids() == ["GHSA-1"]


@pytest.mark.parametrize("now", [HOUR + 1, -1.0])
def test_a_file_that_is_written_in_place_shows_within_the_hour(tmp_path: Path, now: float) -> None:
    folder = mirror_folder(tmp_path / "mirror", [advisory("GHSA-1", "pkg-1")])
    index = Index(tmp_path, folder)
    assert index.ids() == ["GHSA-1"]
    mirror_folder(folder, [advisory("GHSA-1", "pkg-1", withdrawn="2026-11-02T00:00:00Z")])
    assert index.ids(now=now) == []


def test_a_mirror_that_breaks_is_no_longer_believed(tmp_path: Path) -> None:
    folder = mirror_folder(tmp_path / "mirror", [advisory("GHSA-1", "pkg-1")])
    index = Index(tmp_path, folder)
    assert index.ids() == ["GHSA-1"]
    (folder / "npm" / "GHSA-2.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(AdvisoriesUnreadable, match=r"GHSA-2\.json"):
            index.ids()
    (folder / "npm" / "GHSA-2.json").unlink()
    assert index.ids() == ["GHSA-1"]


def test_another_ecosystem_and_withdrawn_ones_are_not_counted(tmp_path: Path) -> None:
    kept = [advisory("GHSA-1", "pkg-1"), advisory("GHSA-1p", "pkg-1", ecosystem="PyPI", modified="2026-11-05T00:00:00Z")]
    left = [advisory("GO-1", "pkg-1", ecosystem="Go"), advisory("GHSA-0", "pkg-1", withdrawn="2026-01-01T00:00:00Z")]
    archive = mirror_zip(tmp_path / "all.zip", [*kept, *left])
    found = advisories_of([archive], PACKAGES, folder=tmp_path / "index", now=0.0)
    assert found.counts == {"npm": 1, "PyPI": 1}
    assert found.newest["PyPI"].startswith("2026-11-05")
