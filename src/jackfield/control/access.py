"""Which tools a caller may use: what the operator has set for tools and apps, known in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from jackfield.sdk.caller import Caller
from jackfield.stores.objects import StoredObject

APP, TOOL = "app", "tool"

log = structlog.get_logger(__name__)

BodyT = TypeVar("BodyT", bound=msgspec.Struct)


class AppBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tools` are full names of tools, or globs over them; without a list they are all. With `tool_loop` the gateway
    runs tools for requests that do not ask for it."""

    name: str
    tools: tuple[str, ...] | None = None
    tool_loop: bool = False


class ToolBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each list that is there narrows: a caller must be on both."""

    enabled: bool = True
    apps: tuple[str, ...] | None = None
    credentials: tuple[str, ...] | None = None


BODIES: Mapping[str, type[msgspec.Struct]] = {APP: AppBody, TOOL: ToolBody}


class Named(Protocol):
    @property
    def name(self) -> str:
        """The full name of a tool."""


class _App:
    def __init__(self, body: AppBody) -> None:
        self.loops = body.tool_loop
        patterns = None if body.tools is None else "|".join(map(translate, body.tools)) or "(?!)"
        self._fits = None if patterns is None else re.compile(patterns).match

    def has(self, tool: str) -> bool:
        return self._fits is None or self._fits(tool) is not None


class _Rule:
    def __init__(self, body: ToolBody) -> None:
        self._enabled = body.enabled
        self._apps = None if body.apps is None else frozenset(body.apps)
        self._credentials = None if body.credentials is None else frozenset(body.credentials)

    def admits(self, caller: Caller) -> bool:
        return (
            self._enabled
            and (self._apps is None or caller.app in self._apps)
            and (self._credentials is None or caller.credential in self._credentials)
        )


# What stands for an object that cannot be read: it was to restrict something.
_NO_TOOLS = AppBody(name="", tools=())
_NOBODY = ToolBody(enabled=False)


class ToolAccess:
    """A follower of the directory. A tool or an app that nothing was set for is not restricted."""

    kinds = frozenset(BODIES)

    def __init__(self) -> None:
        self._apps: dict[str, _App] = {}
        self._rules: dict[str, _Rule] = {}

    def allows(self, caller: Caller, tool: Named) -> bool:
        name = tool.name
        rule = self._rules.get(name)
        if rule is not None and not rule.admits(caller):
            return False
        app = self._app(caller)
        return app is None or app.has(name)

    def loops(self, caller: Caller) -> bool:
        """Whether tools run for the caller's requests without being asked for."""
        app = self._app(caller)
        return app is not None and app.loops

    def take(self, stored: StoredObject) -> None:
        if stored.kind == APP:
            self._take_app(stored)
        else:
            self._take_rule(stored)

    def _app(self, caller: Caller) -> _App | None:
        return None if caller.app is None else self._apps.get(caller.app)

    def _take_app(self, stored: StoredObject) -> None:
        if stored.deleted:
            self._apps.pop(stored.id, None)
        else:
            self._apps[stored.id] = _App(_read(stored, AppBody, _NO_TOOLS))

    def _take_rule(self, stored: StoredObject) -> None:
        if stored.deleted:
            self._rules.pop(stored.id, None)
        else:
            self._rules[stored.id] = _Rule(_read(stored, ToolBody, _NOBODY))


def _read(stored: StoredObject, body: type[BodyT], otherwise: BodyT) -> BodyT:
    found: Any = stored.body
    try:
        return msgspec.convert(found, type=body)
    except msgspec.ValidationError as error:
        log.warning("object is not understood and closed", kind=stored.kind, id=stored.id, reason=str(error))
        return otherwise
