"""The one form that an archive has: a zip file without compression, of which every byte is given by what it holds.

Names in order of their bytes, one fixed time, no comments, no extra fields, nothing before, between or behind. What is
not that form to the byte is not read: so no two programs can see different files in it, nothing in it grows when it is
unpacked, and the same files make the same bytes with any version of any library. Any unzip program reads it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from jackfield.errors import ManifestError

MOST_FILES = 20_000
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
_NEEDED = 20
_MADE_BY_UNIX = 3 << 8 | _NEEDED
_UTF8 = 0x800
# The first moment that the format knows: midnight, 1 January 1980.
_TIME, _DATE = 0, 1 << 5 | 1
_REGULAR = 0o100644 << 16
_LARGEST = 0xFFFF_FFFF


def encode(files: Mapping[str, bytes]) -> bytes:
    """Raises `ValueError` where there is more than the format holds."""
    if len(files) > MOST_FILES or sum(map(len, files.values())) >= _LARGEST:
        raise ValueError(f"holds more than {MOST_FILES} files or 4 GB")
    pieces: list[bytes] = []
    entries: list[bytes] = []
    offset = 0
    for name, path, data in sorted((path.encode(), path, data) for path, data in files.items()):
        crc = zlib.crc32(data)
        local = _local(name, crc, len(data))
        pieces += (local, files[path])
        entries.append(_central(name, crc, len(data), offset))
        offset += len(local) + len(data)
    directory = b"".join(entries)
    return b"".join((*pieces, directory, _end(len(entries), len(directory), offset)))


def decode(data: bytes, place: str) -> dict[str, memoryview]:
    """The files, in place. Raises `ManifestError` for whatever `encode` would not have made of them."""
    files: dict[str, memoryview] = {}
    view, offset, last = memoryview(data), 0, b""
    for name, crc, size in _entries(data, place):
        if name <= last:
            raise _refuse(place, "its files are not in order, or one is there twice")
        local = _local(name, crc, size)
        start, offset = offset + len(local), offset + len(local) + size
        content = view[start:offset]
        if view[start - len(local) : start] != local or len(content) != size or zlib.crc32(content) != crc:
            raise _refuse(place, f"its directory does not tell the truth about {_shown(name)}")
        files[_text(name, place)] = content
        last = name
    if offset != _directory_of(data, place)[1]:
        raise _refuse(place, "it holds what its directory does not tell")
    return files


def _entries(data: bytes, place: str) -> Iterator[tuple[bytes, int, int]]:
    count, at = _directory_of(data, place)
    begin, offset, end = at, 0, len(data) - _END.size
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise _refuse(place, "its directory is cut off")
        fields = _CENTRAL.unpack_from(data, at)
        crc, size, length = fields[7], fields[8], fields[10]
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + length]
        expected = _central(name, crc, size, offset)
        if data[at : at + len(expected)] != expected:
            raise _refuse(place, f"its directory has an entry that is not plain: {_shown(name)}")
        yield name, crc, size
        offset += _LOCAL.size + len(name) + size
        if offset > begin:
            raise _refuse(place, "its directory tells of more than it holds")
        at += len(expected)
    if at != end:
        raise _refuse(place, "its directory is longer than it tells")


def _directory_of(data: bytes, place: str) -> tuple[int, int]:
    """How many files there are, and where the directory begins."""
    at = len(data) - _END.size
    if at < 0 or not data.startswith(b"PK\x03\x04"):
        raise _refuse(place, "it is no archive of a plugin, or something stands before it")
    _, _, _, _, count, size, begin, _ = _END.unpack_from(data, at)
    if count > MOST_FILES:
        raise _refuse(place, f"it holds more than {MOST_FILES} files")
    if begin + size != at or data[at:] != _end(count, size, begin):
        raise _refuse(place, "it does not end as an archive of a plugin does, or something stands behind it")
    return count, begin


def _local(name: bytes, crc: int, size: int) -> bytes:
    head = _LOCAL.pack(b"PK\x03\x04", _NEEDED, _UTF8, 0, _TIME, _DATE, crc, size, size, len(name), 0)
    return head + name


def _central(name: bytes, crc: int, size: int, offset: int) -> bytes:
    head = _CENTRAL.pack(
        b"PK\x01\x02", _MADE_BY_UNIX, _NEEDED, _UTF8, 0, _TIME, _DATE,
        crc, size, size, len(name), 0, 0, 0, 0, _REGULAR, offset,
    )  # fmt: skip
    return head + name


def _end(count: int, size: int, begin: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, begin, 0)


def _text(name: bytes, place: str) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise _refuse(place, f"the name {_shown(name)} is not UTF-8") from None


def _shown(name: bytes) -> str:
    return repr(name[:200].decode("utf-8", "replace"))


def _refuse(place: str, reason: str) -> ManifestError:
    return ManifestError(f"is refused: {reason}", file=place)
