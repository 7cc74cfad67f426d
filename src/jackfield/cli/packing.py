"""What packing a plugin reads, and what an index is made of."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import msgspec

from jackfield.app import make_dialects
from jackfield.errors import ConfigError, ManifestError
from jackfield.host.sealed import read
from jackfield.host.survey import find_only
from jackfield.runtimes.isolated.locks import Lock, read_lock
from jackfield.runtimes.isolated.wheels import inspect_wheel
from jackfield.sources.archives.catalogue import Index, Listed, Revoked, read_index
from jackfield.sources.archives.fetching import read_file
from jackfield.sources.archives.keys import SigningKey, TrustedKeys
from jackfield.sources.archives.lock import FILES, REQUIREMENTS, base_of, read_requirements
from jackfield.sources.archives.packing import Draft
from jackfield.sources.archives.parcel import ENDING as PACKED
from jackfield.sources.archives.parcel import Parcel, open_parcel
from jackfield.sources.archives.shelf import LARGEST, Catalogue
from jackfield.sources.archives.wheels import ENDING, WHEELS, find_wheels, read_name
from jackfield.sources.base import Found

DOWNLOAD_S = 600.0
LARGEST_ARCHIVE = 2048 * 1024 * 1024
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


def draft_of(folder: Path, *, wheels: bool = False) -> Draft:
    """What is to be packed of the plugin in `folder`. Raises `ManifestError` and `ConfigError`."""
    found = find_only(folder.absolute(), make_dialects().values())
    if found.contents is None or found.root is None:
        raise ManifestError("there is nothing to pack", file=str(folder))
    manifest = found.manifest()
    if manifest is None:
        told = "needs a jackfield.toml: what it is called and asks for must be known without running it"
        raise ManifestError(told, file=str(folder))
    # One that was packed into its own folder before is no part of it.
    files = {path: data for path, data in read(found.contents()).items() if not path.endswith(PACKED)}
    base = base_of(files)
    tests = {} if base else _collect_beside(found, files)
    draft = Draft(found=found, manifest=manifest, files=files, base=base, tests=tests)
    if wheels:
        draft.add_wheels(download_wheels(draft))
    return draft


def _collect_beside(found: Found, files: dict[str, bytes]) -> dict[str, bytes]:
    """Of a plugin whose files stand among others: its lock and its wheels join them; its tests are handed back."""
    root = found.root or Path()
    for file in (*(root / name for name in FILES), *sorted((root / WHEELS).glob(f"*{ENDING}"))):
        if file.is_file():
            files.setdefault(str(file.relative_to(root)), file.read_bytes())
    tests = next((place for place in (root / "tests", root.parent / "tests") if place.is_dir()), None)
    if tests is None:
        return {}
    own = {Path(path).stem for path in files}
    named = [file for file in sorted(tests.glob("*.py")) if file.stem.removeprefix("test_") in own]
    return {file.name: file.read_bytes() for file in (*named, tests / "conftest.py") if file.is_file()}


def download_wheels(draft: Draft) -> Mapping[str, bytes]:
    """What pip brings for its lock, or for its requirements where there is no lock. Raises `ConfigError`."""
    name = next((name for name in FILES if draft.base + name in draft.files), None)
    if name is None:
        raise ConfigError(f"--wheels: the plugin has none of {', '.join(FILES)}", file=draft.found.place)
    if find_spec("pip") is None:
        raise ConfigError("--wheels: pip is not installed beside Jackfield: python -m ensurepip")
    with tempfile.TemporaryDirectory(prefix="jackfield-wheels-") as place:
        given = Path(place) / name
        given.write_bytes(draft.files[draft.base + name])
        _download(given, Path(place) / WHEELS, locked=_is_locked(given))
        return {file.name: file.read_bytes() for file in sorted((Path(place) / WHEELS).glob(f"*{ENDING}"))}


def check_lock(draft: Draft) -> None:
    """Raises `ConfigError` for a lock of which no environment could be made, and for a wheel that none takes."""
    name = next((name for name in FILES if draft.base + name in draft.files), None)
    if name is None or not draft.is_python:
        return
    with tempfile.TemporaryDirectory(prefix="jackfield-lock-") as place:
        (Path(place) / name).write_bytes(draft.files[draft.base + name])
        lock = read_lock(Path(place))
        if lock is None:
            return
        for path in find_wheels(draft.files):
            wheel = Path(place) / PurePosixPath(path).name
            wheel.write_bytes(draft.files[path])
            _check_wheel(lock, wheel)


def _check_wheel(lock: Lock, wheel: Path) -> None:
    """For whichever interpreter it is; one that the lock names for other machines alone is theirs to look at."""
    name, version, _ = read_name(wheel.name)
    for pin in lock.pins:
        if (pin.name, pin.version) == (name, version):
            inspect_wheel(lock, pin, wheel)


def _is_locked(given: Path) -> bool:
    if given.name != REQUIREMENTS:
        return True
    return all(one.version and one.hashes for one in read_requirements(given.read_text("utf-8"), given.name))


def _download(given: Path, into: Path, *, locked: bool) -> None:
    """Wheels alone: anything else would be built, and building runs its code."""
    bound = ["--no-deps", "--require-hashes"] if locked else []
    told = ["download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", *bound]
    command = [sys.executable, "-m", "pip", *told, "--dest", str(into), "--requirement", str(given)]
    try:
        ended = subprocess.run(  # noqa: S603 - pip itself; what it is given was read before
            command, capture_output=True, text=True, errors="replace", timeout=DOWNLOAD_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"--wheels: pip did not end within {DOWNLOAD_S:g} s") from error
    if ended.returncode != 0:
        last = [line for line in ended.stderr.splitlines() if line.strip()][-1:]
        raise ConfigError(f"--wheels: pip: {''.join(last) or f'ended with {ended.returncode}'}")


def open_index(file: Path, key: SigningKey, name: str | None) -> Index:
    """The index, or a new one. Raises `ConfigError` where it has no name yet, and where it is another key's."""
    if file.exists():
        return _read(read_file(file, LARGEST), file, key)
    if name is None:
        raise ConfigError("is not there: --name makes a new one", file=str(file))
    return Index(name=name, sequence=1, expires_at=FOREVER)


def check_index(data: bytes, file: Path, key: SigningKey) -> None:
    """Raises `ManifestError` for an index that gateways would not read, or would not find an archive by."""
    if len(data) > LARGEST:
        raise ManifestError(f"would be larger than {LARGEST // 1024 // 1024} MB", file=str(file))
    for one in _read(data, file, key).plugins:
        Catalogue("", str(file), key.public).locate(one.url)


def _read(data: bytes, file: Path, key: SigningKey) -> Index:
    return read_index(data, str(file), msgspec.structs.replace(key.public, name="this key"))


def renew(index: Index, days: int, now: float) -> Index:
    """Its next version; a new index keeps its number."""
    sequence = index.sequence if index.expires_at == FOREVER else index.sequence + 1
    return msgspec.structs.replace(index, sequence=sequence, expires_at=_moment(now) + timedelta(days=days))


def list_files(index: Index, files: Iterable[Path], file: Path, now: float) -> Index:
    """Raises `ConfigError` for an archive that is not below the index, and for a version that is listed with other
    contents."""
    listed = list(index.plugins)
    for archive in files:
        one = _list(archive, file, now)
        known = next((known for known in listed if (known.id, known.version) == (one.id, one.version)), None)
        if known is not None and known.sha256 != one.sha256:
            raise ConfigError(f"{one.id} {one.version} is listed with other contents", file=str(archive))
        listed += [] if known is not None else [one]
    return msgspec.structs.replace(index, plugins=tuple(listed))


def _list(archive: Path, file: Path, now: float) -> Listed:
    folder = file.absolute().parent
    if not archive.absolute().is_relative_to(folder):
        raise ConfigError(f"is not below {folder}, where the index is", file=str(archive))
    parcel = _open(archive)
    manifest = parcel.manifest
    return Listed(
        id=manifest.id,
        version=manifest.version,
        url=str(archive.absolute().relative_to(folder)),
        sha256=parcel.sha256,
        size=archive.stat().st_size,
        published_at=_moment(now),
        title=manifest.name,
        description=manifest.description,
        author=manifest.author,
        permissions=manifest.permissions,
    )


def _open(archive: Path) -> Parcel:
    return open_parcel(read_file(archive, LARGEST_ARCHIVE), str(archive), TrustedKeys(), signed=False, here=False)


def revoke_version(index: Index, plugin_id: str, version: str | None, reason: str, now: float) -> Index:
    """Raises `ConfigError` where the index does not list it."""
    if not any(one.id == plugin_id and version in (None, one.version) for one in index.plugins):
        raise ConfigError(f"the index lists no {plugin_id} {version or ''}".rstrip())
    revoked = Revoked(id=plugin_id, version=version, reason=reason, at=_moment(now))
    return msgspec.structs.replace(index, revoked=(*index.revoked, revoked))


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(int(now), UTC)
