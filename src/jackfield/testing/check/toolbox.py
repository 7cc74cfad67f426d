"""The checks of a toolbox plugin: its manifest, and what its JavaScript or TypeScript shows without being run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from jackfield.sdk.permissions import check_permission
from jackfield.testing.check.checked import Checked, Stated
from jackfield.testing.check.documents import Document, read_document
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.permissions import Uses, compare
from jackfield.testing.check.refusals import Lines, validate
from jackfield.testing.check.script import strip_comments
from jackfield.testing.check.subjects import Subject

SUFFIXES = (".ts", ".js", ".mjs", ".cjs", ".mts", ".cts")
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$")]


class ToolboxManifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: Id
    name: Annotated[str, Field(min_length=1)]
    version: Version
    description: str = ""
    author: str = ""
    main: str = "index.ts"
    permissions: list[Annotated[str, AfterValidator(check_permission)]] = []
    dependencies: list[Id] = []
    homepage: str = ""
    minOpenSentinelVersion: str = ""  # noqa: N815 - the guide's word


# Which method of which part of the API needs what. The parts that stand alone are methods of the API itself.
_METHODS = {
    "registerTool": "tools:register",
    "unregisterTool": "tools:register",
    "executeTool": "tools:execute",
}
_PARTS = {
    "storage": {
        **dict.fromkeys(("get", "list"), "storage:read"),
        **dict.fromkeys(("set", "delete", "clear"), "storage:write"),
    },
    "http": dict.fromkeys(("request", "get", "post"), "http:outbound"),
    "events": {"on": "events:subscribe", "emit": "events:emit"},
    "scheduler": {"list": "scheduler:read", "schedule": "scheduler:write", "cancel": "scheduler:write"},
    "memory": {"search": "memory:read", "create": "memory:write"},
    "users": dict.fromkeys(("get", "getPreferences"), "users:read"),
}
# `api.storage.get(`, `this.api?.storage.get<string>(`: only what is called `api` is certain to be the API.
_API = re.compile(r"\b(?:\w*[aA]pi)\??\.\s*(?P<first>\w+)(?:\s*\??\.\s*(?P<second>\w+))?")
_EXPORTS = re.compile(
    r"\bexport\s+default\b|\bexport\s+(?:async\s+)?function\s+createPlugin\b|\bexport\s+(?:const|let|var)\s+(?:plugin|createPlugin)\b"
    r"|\bexport\s*\{[^}]*\b(?:plugin|createPlugin|default)\b[^}]*\}|\bmodule\.exports\b|\bexports\.\w+"
)


def check_toolbox(subject: Subject) -> Checked:
    checked = Checked()
    read = read_document(subject.told)
    if not isinstance(read, Document):
        checked.add([read])
        return checked
    manifest = validate(ToolboxManifest, _stated(subject, read.data), subject.told, read.lines)
    if not isinstance(manifest, ToolboxManifest):
        checked.add(manifest)
        return checked
    checked.ids.append(Stated(manifest.id, subject.told, read.lines.get(("id",), 1)))
    if not manifest.description.strip():
        checked.add([finding(subject.told, 1, "description", "there is no description: operators choose by it")])
    checked.add(_check_main(subject, manifest, read.lines))
    checked.add(_check_permissions(subject, manifest, read.lines))
    return checked


def _stated(subject: Subject, data: Any) -> Any:
    """Of `package.json` the part of a manifest."""
    if subject.told.name != "package.json" or not isinstance(data, dict):
        return data
    shared = {key: data[key] for key in ("name", "version", "description", "author", "homepage", "main") if key in data}
    sentinel = data.get("sentinel")
    return {"id": data.get("name"), **shared, **(sentinel if isinstance(sentinel, dict) else {})}


def _check_main(subject: Subject, manifest: ToolboxManifest, lines: Lines) -> Iterator[Finding]:
    folder = subject.told.parent
    main = folder / manifest.main
    line = lines.get(("main",), 1)
    if not main.resolve().is_relative_to(folder.resolve()):
        yield finding(subject.told, line, "manifest", f"main: {manifest.main} leads out of the plugin's folder")
    elif not main.is_file():
        yield finding(subject.told, line, "plugin-class", f"there is no {manifest.main} in the folder")
    elif main.suffix in SUFFIXES and not _EXPORTS.search(_read(main)):
        advice = "export default function createPlugin(manifest) {…}"
        yield finding(main, 1, "plugin-class", f"it exports no plugin: {advice}")


def _check_permissions(subject: Subject, manifest: ToolboxManifest, lines: Lines) -> Iterator[Finding]:
    uses = Uses()
    files = subject.sources(SUFFIXES)
    for path in files:
        _find_uses(path, _read(path), uses)
    asked = {name: lines.get(("permissions", at), 1) for at, name in enumerate(manifest.permissions)}
    if files:
        yield from compare(uses, asked, subject.told)


def _find_uses(path: Path, text: str, uses: Uses) -> None:
    certain: set[int] = set()
    for found in _API.finditer(text):
        first, second = found["first"], found["second"]
        permission = _METHODS.get(first) or _PARTS.get(first, {}).get(second or "")
        if permission:
            uses.add(permission, path, text.count("\n", 0, found.start()) + 1)
            certain.add(found.start("first"))
    for word, permissions in _words().items():
        if any(found.start() not in certain for found in re.finditer(rf"\b{word}\b", text)):
            uses.escaped |= permissions


def _words() -> dict[str, set[str]]:
    """Each word that may be a use of a permission where it stands elsewhere, as in `const { storage } = api`."""
    parts = {name: set(methods.values()) for name, methods in _PARTS.items()}
    return parts | {name: {permission} for name, permission in _METHODS.items()}


def _read(path: Path) -> str:
    try:
        return strip_comments(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
