"""Looking into wheels without unpacking them: what they would write, and whether it fits here."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from jackfield.errors import ManifestError
from jackfield.sources.archives.names import check_names

WHEELS, ENDING = "wheels", ".whl"
MOST_FILES = 50_000
MOST_BYTES = 1024 * 1024 * 1024
# Text shrinks to a fiftieth at best; what grows a thousandfold was made to.
MOST_RATIO = 300
_SMALL = 1024 * 1024
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


def find_wheels(paths: Iterable[str]) -> list[str]:
    """Those that lie in a folder of wheels. Raises `ManifestError` for something else in it: building it would run
    code."""
    found = [path for path in paths if PurePosixPath(path).parent.name == WHEELS and path.count("/") <= 2]
    other = next((path for path in found if not path.endswith(ENDING)), None)
    if other is not None and any(path.endswith(ENDING) for path in found):
        raise ManifestError("is no wheel, and lies among wheels", file=other)
    return [path for path in found if path.endswith(ENDING)]


def read_name(path: str) -> tuple[str, str, frozenset[Tag]]:
    """Package, version and what it is made for. Raises `ManifestError`."""
    try:
        name, version, _, tags = parse_wheel_filename(PurePosixPath(path).name)
    except InvalidWheelFilename as error:
        raise ManifestError(str(error), file=path) from error
    return name, str(version), tags


def check_wheel(data: bytes, path: str) -> None:
    """Raises `ManifestError` for one that would write what no plugin may bring, or more than there is room for."""
    read_name(path)
    try:
        _check_end(data, path)
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            _check_directory(wheel, data, path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise ManifestError(f"is no sound wheel: {error}", file=path) from error


def _check_end(data: bytes, path: str) -> None:
    """Before anything is made of its directory: that stands at its end, with as many entries as it says."""
    count, size, begin = _END.unpack_from(data, len(data) - _END.size)[4:7] if len(data) >= _END.size else (0, 0, 0)
    if not data.startswith(b"PK\x03\x04") or data[-_END.size :][:4] != b"PK\x05\x06" or data[-2:] != b"\0\0":
        raise ManifestError("something stands before it or behind it", file=path)
    if count > MOST_FILES:
        raise ManifestError(f"holds more than {MOST_FILES} files", file=path)
    at, end = begin, len(data) - _END.size
    for _ in range(count):
        at += _CENTRAL.size + sum(_CENTRAL.unpack_from(data, at)[10:13])
    if at != end or begin + size != end:
        raise ManifestError("its directory is longer or shorter than it says", file=path)


def _check_directory(wheel: zipfile.ZipFile, data: bytes, path: str) -> None:
    entries = wheel.infolist()
    check_names([entry.filename for entry in entries if not entry.is_dir()], path)
    check_names([entry.filename.rstrip("/") for entry in entries if entry.is_dir()], path)
    _check_sizes(entries, path)
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ManifestError(f"{entry.filename[:200]!r} lies over another file", file=path)
        end = _check_entry(entry, data, path)


def _check_sizes(entries: list[zipfile.ZipInfo], path: str) -> None:
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise ManifestError(f"unpacks to more than {MOST_BYTES // 1024 // 1024} MB", file=path)
    for entry in entries:
        if entry.file_size > _SMALL and entry.file_size > MOST_RATIO * entry.compress_size:
            raise ManifestError(f"{entry.filename[:200]!r} grows more than {MOST_RATIO}-fold", file=path)


def _check_entry(entry: zipfile.ZipInfo, data: bytes, path: str) -> int:
    """Where its data ends. What stands before the data must tell the same as the directory."""
    if stat.S_IFMT(entry.external_attr >> 16) not in _KINDS:
        raise ManifestError(f"{entry.filename[:200]!r} is a link or a device", file=path)
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        raise ManifestError(f"{entry.filename[:200]!r} is packed in a way that wheels are not", file=path)
    fields = _LOCAL.unpack_from(data, entry.header_offset)
    begin = entry.header_offset + _LOCAL.size
    name = data[begin : begin + fields[9]]
    if fields[0] != b"PK\x03\x04" or name != _encoded(entry) or fields[3] != entry.compress_type:
        raise ManifestError(f"{entry.filename[:200]!r} is called otherwise where it stands", file=path)
    return int(begin + fields[9] + fields[10] + entry.compress_size)


def _encoded(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")


def tell_misfits(paths: Iterable[str]) -> Iterator[str]:
    """The packages of which there are wheels, and none for this interpreter."""
    here = frozenset(sys_tags())
    fits: dict[str, bool] = {}
    for path in paths:
        name, _, tags = read_name(path)
        fits[canonicalize_name(name)] = fits.get(canonicalize_name(name), False) or not here.isdisjoint(tags)
    yield from (name for name, fitting in fits.items() if not fitting)
