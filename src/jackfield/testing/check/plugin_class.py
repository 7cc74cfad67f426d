"""The classes of a file that are native plugins, and what they say of themselves."""

from __future__ import annotations

import ast
from functools import cached_property

from jackfield.testing.check.functions import Functions, Known
from jackfield.testing.check.source import Source, text_of

PLUGIN = frozenset({"jackfield.sdk.Plugin", "jackfield.sdk.plugin.Plugin"})
HOOK = frozenset({"jackfield.sdk.hook", "jackfield.sdk.hooks.hook"})
TOOL = frozenset({"jackfield.sdk.tool", "jackfield.sdk.tools.tool"})
SUBSCRIBE = frozenset({"jackfield.sdk.subscribe", "jackfield.sdk.events.subscribe"})
TASK = frozenset({"jackfield.sdk.task", "jackfield.sdk.scheduler.task"})
LIFE = ("on_load", "on_enable", "on_disable", "on_unload", "health")
PROVIDER = ("complete", "stream", "embed")
_OURS = ("jackfield.", "builtins.", "typing.", "abc.", "pydantic.")


class PluginFile:
    """A file with what the checks ask of it; a foreign dialect's file has no plugin classes, and functions of its
    own that are called for each request (`hot`)."""

    def __init__(self, source: Source, hot: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.functions = Functions(source)
        self._hot = hot

    @cached_property
    def plugins(self) -> list[ast.ClassDef]:
        return [node for node in self.source.classes.values() if self._is_plugin(node)]

    def _is_plugin(self, node: ast.ClassDef) -> bool:
        return any(self._leads_to_plugin(base, {node.name}) for base in node.bases)

    def _leads_to_plugin(self, base: ast.expr, seen: set[str]) -> bool:
        base = base.value if isinstance(base, ast.Subscript) else base
        if self.source.origin(base) in PLUGIN:
            return True
        found = self.source.classes.get(base.id) if isinstance(base, ast.Name) else None
        if found is None or found.name in seen:
            return False
        return any(self._leads_to_plugin(parent, seen | {found.name}) for parent in found.bases)

    @cached_property
    def foreign_parents(self) -> list[tuple[ast.ClassDef, str]]:
        """Classes with a parent that cannot be seen from here, which may be a plugin."""
        return [
            (node, ast.unparse(base))
            for node in self.source.classes.values()
            for base in node.bases
            if self._is_foreign(base.value if isinstance(base, ast.Subscript) else base)
        ]

    def _is_foreign(self, base: ast.expr) -> bool:
        if isinstance(base, ast.Name) and base.id in self.source.classes:
            return False
        origin = self.source.origin(base)
        return origin is None or not origin.startswith(_OURS)

    def hooks(self) -> list[tuple[Known, ast.Call]]:
        """Each function marked as a hook, once for each mark, with the call of `hook(…)`."""
        return self._marked(HOOK)

    def _marked(self, marks: frozenset[str]) -> list[tuple[Known, ast.Call]]:
        return [
            (one, mark)
            for one in self.functions
            for mark in one.node.decorator_list
            if isinstance(mark, ast.Call) and self.source.origin(mark.func) in marks
        ]

    def hot(self) -> dict[str, Known]:
        """What runs while clients wait: hooks, tools, handlers of events, tasks, in-process providers, and what these
        call."""
        first = {one.name: one for one, _ in self._marked(HOOK | TOOL | SUBSCRIBE | TASK)}
        names = {f"{plugin.name}.{name}" for plugin in self.plugins for name in PROVIDER}
        first |= {name: self.functions.known[name] for name in names | self._hot if name in self.functions.known}
        return self.functions.reached(first.values())

    def lives(self) -> list[Known]:
        """What runs when the plugin comes and goes, and what runs as a task of its own."""
        spawned = {call.callee for one in self.functions for call in one.calls if call.spawned and call.callee}
        return [one for one in self.functions if one.is_async and (one.node.name in LIFE or one.name in spawned)]


def attribute(node: ast.ClassDef, name: str) -> ast.expr | None:
    """The value that a class gives to one of its attributes in its body."""
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return statement.value
    return None


def stated_text(node: ast.ClassDef, name: str) -> str | None:
    return text_of(attribute(node, name))
