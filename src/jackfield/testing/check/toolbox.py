"""The checks of a toolbox plugin: its manifest, and what its code shows without being run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jackfield.dialects.toolbox.folder import PYTHON, SCRIPTS, ToolboxFolder
from jackfield.dialects.toolbox.manifest import PACKAGE, PART, ToolboxManifest, Wrong, problems
from jackfield.errors import ManifestError
from jackfield.testing.check.checked import Checked, Stated
from jackfield.testing.check.documents import Document, read_document
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.permissions import Uses, compare
from jackfield.testing.check.refusals import Lines, Steps, line_of, show_steps
from jackfield.testing.check.script import strip_comments
from jackfield.testing.check.subjects import Subject

# Which method of which part of the API needs what. The parts that stand alone are methods of the API itself.
_METHODS = {
    "registerTool": "tools:register",
    "unregisterTool": "tools:register",
    "executeTool": "tools:execute",
    "register_tool": "tools:register",
    "unregister_tool": "tools:register",
    "execute_tool": "tools:execute",
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
    "users": dict.fromkeys(("get", "getPreferences", "get_preferences"), "users:read"),
}
# `api.storage.get(`, `this.api?.storage.get<string>(`: only what is called `api` is certain to be the API.
_API = re.compile(r"\b(?:\w*[aA]pi)\??\.\s*(?P<first>\w+)(?:\s*\??\.\s*(?P<second>\w+))?")
_PYTHON_COMMENT = re.compile(r"(?m)^\s*#.*$")
_EXPORTS = re.compile(
    r"\bexport\s+default\b|\bexport\s+(?:async\s+)?function\s+createPlugin\b|\bexport\s+(?:const|let|var)\s+(?:plugin|createPlugin)\b"
    r"|\bexport\s*\{[^}]*\b(?:plugin|createPlugin|default)\b[^}]*\}|\bmodule\.exports\b|\bexports\.\w+"
)
_PYTHON_EXPORTS = re.compile(
    r"^(?:(?:async\s+)?def|class)\s+(?:default|create_plugin|createPlugin)\b|^(?:default|create_plugin|createPlugin|plugin)\b[^=\n]*="
    r"|^from\s.*\bimport\b.*\b(?:default|create_plugin|createPlugin|plugin)\b",
    re.MULTILINE,
)


def check_toolbox(subject: Subject) -> Checked:
    checked = Checked()
    read = read_document(subject.told)
    if not isinstance(read, Document):
        checked.add([read])
        return checked
    wrong = list(problems(read.data, subject.told.name))
    if wrong:
        checked.add(_tell(one, subject.told, read.lines) for one in wrong)
        return checked
    folder = ToolboxFolder(subject.told.parent, subject.told.parent, subject.told.name)
    manifest = folder.manifest
    checked.ids.append(Stated(manifest.id, subject.told, _line(("id",), subject.told, read.lines)))
    if not manifest.description.strip():
        checked.add([finding(subject.told, 1, "description", "there is no description: operators choose by it")])
    main = _find_main(folder, checked, _line(("main",), subject.told, read.lines))
    if main is not None and not _exports(main).search(_read(main)):
        checked.add([finding(main, 1, "plugin-class", f"it exports no plugin: {_ADVICE[main.suffix == PYTHON]}")])
    checked.add(_check_permissions(subject, manifest, read.lines, main))
    return checked


_ADVICE = {False: "export default function createPlugin(manifest) {…}", True: "def create_plugin(manifest): …"}


def _tell(wrong: Wrong, told: Path, lines: Lines) -> Finding:
    steps = wrong.steps
    return finding(told, _line(steps, told, lines), "manifest", f"{show_steps(steps)}: {wrong.message}")


def _line(steps: Steps, told: Path, lines: Lines) -> int:
    """In `package.json` a field may stand in its part, or beside it."""
    inner = (PART, *steps)
    return line_of(inner if told.name == PACKAGE and inner in lines else steps, lines)


def _find_main(folder: ToolboxFolder, checked: Checked, line: int) -> Path | None:
    try:
        return folder.main
    except ManifestError as error:
        message = str(error).removeprefix(f"{folder.place}: ")
        code = "plugin-class" if "there is no" in message else "manifest"
        checked.add([finding(folder.place, line, code, message)])
        return None


def _exports(main: Path) -> re.Pattern[str]:
    return _PYTHON_EXPORTS if main.suffix == PYTHON else _EXPORTS


def _check_permissions(
    subject: Subject, manifest: ToolboxManifest, lines: Lines, main: Path | None
) -> Iterator[Finding]:
    uses = Uses()
    files = subject.sources((PYTHON,) if main is not None and main.suffix == PYTHON else SCRIPTS)
    for path in files:
        _find_uses(path, _read(path), uses)
    asked = {name: _line(("permissions", at), subject.told, lines) for at, name in enumerate(manifest.permissions)}
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
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return _PYTHON_COMMENT.sub("", text) if path.suffix == PYTHON else strip_comments(text)
