"""Wheels and locks that tests make themselves: a wheel is a small zip."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

Files = Mapping[str, bytes | str]


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    files: Files | None = None,
    *,
    tag: str = "py3-none-any",
    says: str | None = None,
    links: Mapping[str, str] | None = None,
) -> Path:
    """`files` besides what says what it is; `says` is the name that its METADATA has."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    told = f"Metadata-Version: 2.1\nName: {says or name}\nVersion: {version}\n"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for place, content in (files if files is not None else {f"{name}.py": f"VERSION = {version!r}\n"}).items():
            archive.writestr(ZipInfo(place), content, ZIP_DEFLATED)
        for place, target in (links or {}).items():
            link = ZipInfo(place)
            link.external_attr = 0o120777 << 16
            archive.writestr(link, target)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", told)
        archive.writestr(f"{name}-{version}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_lock(folder: Path, *wheels: Path, name: str = "requirements.lock") -> Path:
    """Pins each of them."""
    lines = []
    for wheel in wheels:
        package, version = wheel.name.split("-")[:2]
        lines.append(f"{package}=={version} \\\n    --hash=sha256:{digest_of(wheel)}\n")
    lock = folder / name
    lock.write_text("".join(lines))
    return lock


def make_plugin(folder: Path, **wheel: object) -> Path:
    """A plugin's folder with a lock and the one wheel that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lock(folder, make_wheel(folder / "wheels", **wheel))  # type: ignore[arg-type]
    return folder
