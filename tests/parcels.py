"""Plugins packed for tests, the keys that sign them, and what stands in a data folder."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from jackfield.dialects.native import NativeDialect
from jackfield.host.sealed import read
from jackfield.sources.archives import zipped
from jackfield.sources.archives.catalogue import Index, Listed, Revoked, write_index
from jackfield.sources.archives.keys import PublicKey, SigningKey, TrustedKeys
from jackfield.sources.archives.label import LABEL, SIGNATURE, sha256_of
from jackfield.sources.archives.lock import base_of
from jackfield.sources.archives.packing import Draft, pack

GUEST = """
from jackfield.sdk import Plugin, hook

class Guest(Plugin):
    @hook("ingress")
    async def check(self, exchange): ...
"""
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@cache
def key_of(name: str) -> SigningKey:
    """The same for one name in all of a run."""
    return SigningKey.make()


def public_key(name: str) -> PublicKey:
    return PublicKey(name, key_of(name).public.raw)


def trusting(*names: str) -> TrustedKeys:
    return TrustedKeys(map(public_key, names))


def write_guest(
    folder: Path, *, version: str = "1.0", permissions: tuple[str, ...] = (), manifest: str = "", **files: str
) -> Path:
    """A plugin's folder; in the names of `files` `_` stands for `.`."""
    place = folder / "guest"
    place.mkdir(parents=True, exist_ok=True)
    lines = ['id = "guest"', f'version = "{version}"', f"permissions = {list(permissions)}", manifest]
    place.joinpath("jackfield.toml").write_text("\n".join(lines), encoding="utf-8")
    for name, text in {"plugin_py": GUEST, **files}.items():
        place.joinpath(name.replace("_", ".")).write_text(text, encoding="utf-8")
    return place


def draft(place: Path) -> Draft:
    found = next(one for one in NativeDialect().find(place.parent) if one.place == str(place))
    manifest, contents = found.manifest(), found.contents
    assert manifest is not None
    assert contents is not None
    files = read(contents())
    return Draft(found=found, manifest=manifest, files=files, base=base_of(files))


def pack_guest(folder: Path, *, signed_by: str | None = "alice", **more: Any) -> bytes:
    """As `write_guest`, packed."""
    key = key_of(signed_by) if signed_by is not None else None
    return pack(draft(write_guest(folder, **more)), key)[1]


def put_guest(folder: Path, name: str = "guest.jackfield", **more: Any) -> Path:
    """Likewise, in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(pack_guest(folder / f"source of {name}", **more))
    return file


def files_in(data: bytes) -> dict[str, bytes]:
    return {path: bytes(held) for path, held in zipped.decode(data, "it").items()}


def sealed_again(files: Mapping[str, bytes], signed_by: str = "alice", **label: Any) -> bytes:
    """These files with a label that fits them, signed: what a signer with bad intent would make."""
    held = dict(files)
    said = json.loads(held.pop(LABEL))
    held.pop(SIGNATURE, None)
    said["files"] = {path: {"sha256": sha256_of(data), "size": len(data)} for path, data in held.items()}
    held[LABEL] = json.dumps(said | label, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    held[SIGNATURE] = msgspec.json.encode(key_of(signed_by).sign(held[LABEL]), order="sorted")
    return zipped.encode(held)


def wheel(name: str = "tiny", version: str = "1.0", **files: bytes) -> bytes:
    """With one module; in the names of `files` `__` stands for `/` and `_` for `.`."""
    held = {f"{name}.py": b"WORD = 'tiny'\n", **{_path(path): data for path, data in files.items()}}
    held[f"{name}-{version}.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    held[f"{name}-{version}.dist-info/WHEEL"] = b"Wheel-Version: 1.0\nTag: py3-none-any\n"
    return zip_of(held)


def zip_of(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            # Without a time of its own, so that it is the same each time.
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _path(name: str) -> str:
    return name.replace("__", "/").replace("_", ".")


def listed(file: Path, published: datetime = NOW - timedelta(days=30), **more: Any) -> Listed:
    """How an index lists an archive beside it."""
    said = json.loads(files_in(file.read_bytes())[LABEL])
    told = {"id": said["id"], "version": said["version"], "permissions": tuple(said["permissions"]), **more}
    data = file.read_bytes()
    return Listed(url=file.name, sha256=sha256_of(data), size=len(data), published_at=published, **told)


def index_of(*plugins: Listed, sequence: int = 1, revoked: tuple[Revoked, ...] = (), days: float = 30) -> Index:
    expires = NOW + timedelta(days=days)
    return Index(name="main", sequence=sequence, expires_at=expires, plugins=plugins, revoked=revoked)


def put_index(file: Path, index: Index, signed_by: str = "shop") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(write_index(index, key_of(signed_by)))
    return file


def revoke(plugin: str = "guest", version: str | None = "1.0", reason: str = "it leaks keys") -> Revoked:
    return Revoked(id=plugin, version=version, reason=reason, at=NOW)


def digest_of(folder: Path) -> str:
    """Of every file in it, names and bytes; of a database its rows, since reading one touches its files."""
    whole = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        if file.name.endswith((".db-wal", ".db-shm")):
            continue
        whole.update(f"{file.relative_to(folder)}\0".encode())
        whole.update(_rows(file) if file.suffix == ".db" else file.read_bytes())
    return whole.hexdigest()


def _rows(file: Path) -> bytes:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        names = database.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
        told = {name: database.execute(f'select * from "{name}"').fetchall() for (name,) in names if name != "workers"}
    return repr(told).encode()


def patched(data: bytes, at: int, layout: str, value: int) -> bytes:
    """With one number changed in place."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


Answers = dict[str, bytes]


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{told}\r\n".encode() + body


@asynccontextmanager
async def serve(answers: Callable[[str], Answers]) -> AsyncIterator[str]:
    """A server that answers by path; its URL."""
    known: Answers = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(known.get(head.split()[1].decode().partition("?")[0], answer(b"", "404 Not Found")))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        known |= answers(url)
        yield url
