"""Permissions that are asked for and services that are used: an operator should be asked for what is needed, all of
it and nothing more."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from jackfield.sdk.permissions import PERMISSIONS
from jackfield.services.kv import VERBS
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.plugin_class import SUBSCRIBE, TASK, TOOL, PluginFile
from jackfield.testing.check.source import Source

_OUTBOUND, _CONNECT, _USERS = ("http:outbound",), ("mcp:connect",), ("users:read",)
# What each method of each service needs.
NEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "kv": VERBS,
        "http": dict.fromkeys(("request", "get", "post"), _OUTBOUND),
        "events": {"on": ("events:subscribe",), "emit": ("events:emit",)},
        "scheduler": {"schedule": ("scheduler:write",), "cancel": ("scheduler:write",), "list": ("scheduler:read",)},
        "memory": {"search": ("memory:read",), "create": ("memory:write",)},
        "users": dict.fromkeys(("get", "preferences"), _USERS),
        "tools": {
            "register": ("tools:register",),
            "unregister": ("tools:register",),
            "execute": ("tools:execute",),
        },
        "usage": dict.fromkeys(("query", "percentiles", "prices"), ("usage:read",)),
        "credentials": dict.fromkeys(("header", "report"), ("credentials:use",)),
        "mcp": dict.fromkeys(("servers", "mount", "unmount", "mounted", "watch"), _CONNECT),
    }
)
_MARKS = {TOOL: "tools:register", SUBSCRIBE: "events:subscribe", TASK: "scheduler:write"}
_NAMES: Mapping[str | None, str] = {
    "jackfield.sdk.ToolRefusal": "tools:refuse",
    "jackfield.sdk.events.ToolRefusal": "tools:refuse",
    "jackfield.sdk.FormatSpec": "formats:register",
    "jackfield.sdk.formats.FormatSpec": "formats:register",
}
_PATHS = frozenset(
    f"jackfield.sdk{place}" for place in (".route", ".RouterSpec", ".routes.route", ".routes.RouterSpec")
)
# Whose users these are meant for only running it can tell.
_OF_USERS = frozenset({"memory", "users"})


@dataclass
class Uses:
    """`places` by permission; `escaped` are permissions of services handed on to where they cannot be followed."""

    places: dict[str, tuple[Path, int]] = field(default_factory=dict)
    escaped: set[str] = field(default_factory=set)

    def add(self, permission: str, path: Path, line: int) -> None:
        self.places.setdefault(permission, (path, line))


def check_permissions(
    files: Iterable[PluginFile], asked: Mapping[str, int], manifest: Path, *, stated: bool = True
) -> Iterator[Finding]:
    """`asked` tells the line of each permission in `manifest`; where none is `stated` that is the file of the class."""
    uses = Uses()
    for file in files:
        find_uses(file.source, uses)
    yield from compare(uses, asked, manifest, hint="" if stated else " of its class")


def compare(uses: Uses, asked: Mapping[str, int], manifest: Path, *, hint: str = "") -> Iterator[Finding]:
    for permission, (path, line) in uses.places.items():
        if permission not in asked:
            yield finding(path, line, "permission-missing", f"needs {permission!r} among the permissions{hint}")
    for permission, line in asked.items():
        if permission not in uses.places and permission not in uses.escaped:
            yield finding(manifest, line, "permission-unused", f"{permission!r} is asked for and not used")


def find_uses(source: Source, uses: Uses) -> None:
    """`self.services.kv.get(…)`, also by a name that the service was given; marked methods, and refusals."""
    _note_declarations(source, uses)
    names = _service_names(source.tree)
    parents = {child: node for node in ast.walk(source.tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(source.tree):
        service = _service(node, names)
        if service is not None and isinstance(node, ast.expr):
            _note(node, service, parents.get(node), names, source.path, uses)
        elif _is_services(node) and not isinstance(parents.get(node), ast.Attribute):
            uses.escaped |= PERMISSIONS.keys()


def _note_declarations(source: Source, uses: Uses) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                origin = source.origin(mark.func if isinstance(mark, ast.Call) else mark)
                for marks, permission in _MARKS.items():
                    if origin in marks:
                        uses.add(permission, source.path, mark.lineno)
        elif isinstance(node, ast.Name | ast.Attribute) and source.origin(node) in _NAMES:
            uses.add(_NAMES[source.origin(node)], source.path, node.lineno)
        elif isinstance(node, ast.Call) and source.origin(node.func) in _PATHS and _is_public(node):
            uses.add("routes:public", source.path, node.lineno)


def _is_public(call: ast.Call) -> bool:
    """Also where only running it can tell."""
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "public"), None)
    return given is not None and not (isinstance(given, ast.Constant) and given.value is False)


def _note(
    node: ast.expr, service: str, parent: ast.AST | None, names: Mapping[str, str], path: Path, uses: Uses
) -> None:
    methods = NEEDS[service]
    uses.escaped |= {"users:any"} if service in _OF_USERS else set()
    if isinstance(parent, ast.Attribute):
        for permission in methods.get(parent.attr, ()):
            uses.add(permission, path, node.lineno)
    elif not _is_naming(parent, names):
        uses.escaped |= {permission for needed in methods.values() for permission in needed}


def _is_naming(parent: ast.AST | None, names: Mapping[str, str]) -> bool:
    """Whether the service is given one of the names that are followed."""
    return isinstance(parent, ast.Assign) and all(ast.unparse(target) in names for target in parent.targets)


def _service_names(tree: ast.Module) -> dict[str, str]:
    """`kv = self.services.kv` and `self.kv = self.services.kv`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (service := _service(node.value, {})):
            for target in node.targets:
                if isinstance(target, ast.Name | ast.Attribute):
                    found[ast.unparse(target)] = service
    return found


def _service(node: ast.AST, names: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Attribute) and _is_services(node.value):
        return node.attr if node.attr in NEEDS else None
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        return names.get(ast.unparse(node))
    return None


def _is_services(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "services" and isinstance(node.ctx, ast.Load)
