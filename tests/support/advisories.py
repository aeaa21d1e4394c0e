"""Advisories in the OSV format, and mirrors of them, for tests."""

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
LOW = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


def advisory(
    name: str,
    package: str,
    *,
    ecosystem: str = "npm",
    events: Iterable[Mapping[str, str]] = ({"introduced": "0"}, {"fixed": "2.0.0"}),
    versions: Iterable[str] = (),
    score: str = HIGH,
    **more: Any,
) -> dict[str, Any]:
    """An advisory about one package."""
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": package}}
    if events:
        affected["ranges"] = [{"type": kind, "events": list(events)}]
    if versions:
        affected["versions"] = list(versions)
    severity = [{"type": f"CVSS_V{score[5]}", "score": score}] if score else []
    return {
        "schema_version": "1.7.0",
        "id": name,
        "modified": "2026-11-01T10:00:00Z",
        "summary": f"a flaw of {package}",
        "severity": severity,
        "affected": [affected],
        **more,
    }


def mirror_folder(folder: Path, advisories: Iterable[Mapping[str, Any]]) -> Path:
    """A folder of them, one file each, as `gsutil rsync` leaves it."""
    for one in advisories:
        place = folder / one["affected"][0]["package"]["ecosystem"] / f"{one['id']}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(one), encoding="utf-8")
    return folder


def mirror_zip(path: Path, advisories: Iterable[Mapping[str, Any]]) -> Path:
    """A zip of them, like osv.dev's all.zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in advisories:
            archive.writestr(f"{one['id']}.json", json.dumps(one))
    return path


def mirror(home: Path, *, settings: str = "") -> Path:
    """Give the Forge of `home` a mirror of two advisories that concern nobody: gate `sca` then answers without the internet.

    Returns the settings file.
    """
    nobodys = [
        advisory("GHSA-0000-0000-0001", "forge-no-such-package", ecosystem="PyPI"),
        advisory("GHSA-0000-0000-0002", "forge-no-such-package"),
    ]
    folder = mirror_folder(home / "advisories", nobodys)
    path = home / "settings.toml"
    path.write_text(f"advisories = [{str(folder)!r}]\n{settings}")
    return path
