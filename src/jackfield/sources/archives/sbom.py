"""The bill of materials of an archive: CycloneDX 1.6."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from jackfield.sources.archives.label import sha256_of
from jackfield.sources.archives.lock import Locked

_OURS = uuid.uuid5(uuid.NAMESPACE_URL, "https://jackfield.dev/sbom")
_MODULES = "node_modules"


def write_sbom(plugin_id: str, version: str, locked: Iterable[Locked], files: Mapping[str, bytes]) -> bytes:
    """The same for the same files: without a date, and with a number that is made of what it lists."""
    components = [*map(_describe, locked), *_describe_modules(files)]
    unique = {one["bom-ref"]: one for one in components}
    root = f"jackfield:{plugin_id}@{version}"
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": root, "name": plugin_id, "version": version}},
        "components": [unique[name] for name in sorted(unique)],
        "dependencies": [{"ref": root, "dependsOn": sorted(unique)}],
    }
    told = json.dumps(body, sort_keys=True) + "".join(f"{path}\0{sha256_of(files[path])}\n" for path in sorted(files))
    body["serialNumber"] = f"urn:uuid:{uuid.uuid5(_OURS, told)}"
    return json.dumps(body, sort_keys=True, indent=2).encode()


def _describe(one: Locked) -> dict[str, Any]:
    described = _component(f"pkg:pypi/{one.name}@{one.version}", one.name, one.version)
    return described | {"hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(set(one.hashes))]}


def _describe_modules(files: Mapping[str, bytes]) -> Iterable[dict[str, Any]]:
    """The packages that npm has installed."""
    for path, data in files.items():
        parts = PurePosixPath(path).parts
        if parts[-1] != "package.json" or _MODULES not in parts:
            continue
        below = parts[len(parts) - parts[::-1].index(_MODULES) : -1]
        if len(below) == (2 if below and below[0].startswith("@") else 1):
            yield from _describe_module(data)


def _describe_module(data: bytes) -> Iterable[dict[str, Any]]:
    try:
        said = json.loads(data)
        name, version = said["name"], said["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if isinstance(name, str) and isinstance(version, str):
        yield _component(f"pkg:npm/{name.replace('@', '%40')}@{version}", name, version)


def _component(purl: str, name: str, version: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
