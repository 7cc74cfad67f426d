"""One known plugin of a snapshot, failed and disabled ones too."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook
from jackfield.host.paths import NO_PATHS, Paths
from jackfield.host.states import PluginState, step
from jackfield.sdk.manifest import Manifest
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.routes import MiddlewareSpec
from jackfield.services.grants import Grant
from jackfield.settings import PluginConfig, conceal
from jackfield.sources.base import Found
from jackfield.telemetry.text import escape_all_halves, escape_halves

# What the host calls when the process of a plugin is there again.
RETURNED = "jackfield_returned"


class LoadedPlugin:
    """`instance` and `grant`, what it was given, are `None` unless it runs. `settings` is its config as a whole, from
    file and operator; `overlay` what of it the operator has set through the API. `digest` tells its code apart. `spare`
    is whether its id is another plugin's and it is listed under a name made for it. `uses` counts the snapshots that
    hold it and are not drained. `ends` is whether it is to be unloaded also where it stays listed as disabled."""

    __slots__ = (
        "_own",
        "aliases",
        "anew",
        "approved",
        "bars",
        "dialect",
        "digest",
        "ends",
        "found",
        "grant",
        "guard",
        "hooks",
        "id",
        "instance",
        "manifest",
        "middleware",
        "overlay",
        "paths",
        "reason",
        "revoked",
        "settings",
        "spare",
        "state",
        "ui_schema",
        "uses",
    )

    def __init__(self, plugin_id: str, found: Found, guard: PluginGuard, digest: str | None = None) -> None:
        self.id, self.found, self.guard, self.digest = plugin_id, found, guard, digest
        self.dialect = found.dialect
        self.manifest: Manifest | None = None
        self.aliases: tuple[str, ...] = ()
        self.settings = PluginConfig()
        self.overlay: Mapping[str, Any] = {}
        self.anew = 0
        # Of one that is late: whether it has told already that something is refused where it fails.
        self.bars = False
        self.approved: tuple[str, ...] = ()
        self.state: PluginState = "discovered"
        self.reason: str | None = None
        # Why the version that runs should not: it was revoked since it was started.
        self.revoked: str | None = None
        self.instance: Plugin[Any] | None = None
        self.grant: Grant | None = None
        self.hooks: tuple[BoundHook, ...] = ()
        self.paths = NO_PATHS
        self.middleware: tuple[MiddlewareSpec, ...] = ()
        self.ui_schema: Any = None
        self._own: dict[str, Any] | None = None
        self.uses = 0
        self.ends = False
        self.spare = False

    @property
    def source(self) -> str:
        return self.found.source

    @property
    def runtime(self) -> str:
        return self.found.runtime

    @property
    def place(self) -> str:
        return escape_halves(self.found.place)

    @property
    def name(self) -> str:
        return escape_halves((self.manifest.name if self.manifest else "") or self.id)

    @property
    def version(self) -> str:
        return self.manifest.version if self.manifest else "0.0.0"

    @property
    def author(self) -> str:
        return self.manifest.author if self.manifest else ""

    @property
    def description(self) -> str:
        return self.manifest.description if self.manifest else ""

    @property
    def priority(self) -> int:
        return self.manifest.priority if self.manifest else 100

    @property
    def asked(self) -> tuple[str, ...]:
        """The permissions that it declares."""
        return self.manifest.permissions if self.manifest else ()

    @property
    def config(self) -> dict[str, Any]:
        """Its own config as it is in effect, defaults included where they are known; secrets are not masked."""
        return dict(self.settings.own if self._own is None else self._own)

    @property
    def unchecked(self) -> bool:
        """Whether something is set of its config, and the form that this is to fit is not known yet."""
        return self._own is None and bool(self.settings.own)

    @property
    def running(self) -> bool:
        return self.instance is not None

    @property
    def guards(self) -> bool:
        """Whether something is refused where it fails, or may be: a middleware can be there to keep something out."""
        return bool(self.middleware) or refuses(self.hooks)

    def take(self, instance: Plugin[Any], hooks: tuple[BoundHook, ...], grant: Grant) -> None:
        self.instance, self.grant = instance, grant
        self.hooks = tuple(hook for hook in hooks if hears(instance, hook))
        instance.report = self.note_health
        # Only what runs in a process of its own comes back from anywhere.
        if hasattr(instance, RETURNED):
            setattr(instance, RETURNED, self.guard.came_back)

    def offer(self, paths: Paths, middleware: tuple[MiddlewareSpec, ...]) -> None:
        """What it serves over HTTP."""
        self.paths, self.middleware = paths, middleware

    def show(self, own: dict[str, Any], ui_schema: Any) -> None:
        """`own` is its config and `ui_schema` the form of it, as they are shown."""
        self._own, self.ui_schema = escape_all_halves(own), escape_all_halves(ui_schema)

    def wake(self, listed: LoadedPlugin) -> None:
        """Takes the place of itself as it was listed while it was disabled."""
        self.settings, self.overlay, self.anew = listed.settings, listed.overlay, listed.anew
        self.guard.stats = listed.guard.stats
        self.move("loading")

    def note_health(self, ok: bool, detail: str = "") -> None:
        """What the plugin says of itself while it runs. One that was revoked is never well."""
        if self.revoked is not None:
            ok, detail = False, self.revoked
        if self.state == "active" and not ok:
            self.move("degraded", detail or "it says so itself")
        elif self.state == "degraded" and ok:
            self.move("active")
        elif self.state == "degraded":
            self.reason = conceal(escape_halves(detail or "it says so itself"))

    def note_revoked(self, reason: str | None) -> None:
        """Or that it is no longer."""
        self.revoked = reason
        self.note_health(reason is None, reason or "")

    def is_called(self, name: str) -> bool:
        return name in (self.id, self.name, self.found.name) or name in self.aliases or name in self.found.aliases

    def move(self, to: PluginState, reason: str | None = None) -> None:
        self.state = step(self.state, to, self.id)
        self.reason = None if reason is None else conceal(escape_halves(reason))

    def let_go(self) -> None:
        """Frees its code."""
        self.instance = self.grant = self._own = None
        self.hooks, self.paths, self.middleware = (), NO_PATHS, ()
        self.found.forget()


def refuses(hooks: Iterable[BoundHook]) -> bool:
    """Whether something is refused where one of them fails."""
    return any(hook.closed and not hook.spec.inner for hook in hooks)


def hears(instance: Plugin[Any], hook: BoundHook) -> bool:
    """Whether it wants to be called for it, which one that was started knows."""
    try:
        return bool(instance.hears(hook.spec))
    except Exception:  # noqa: BLE001 - a boundary: one that cannot say is called
        return True


def forget_generics() -> None:
    """What was made by `Plugin[Config]` is remembered by `typing`, and with it all of the config's module."""
    for clear in getattr(typing, "_cleanups", ()):
        clear()
