"""What every source of plugins does: find them, without running any of their code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
from pydantic import BaseModel

from jackfield.sdk.hooks import PointName, Policy
from jackfield.sdk.manifest import Manifest

# A file of the plugin's by its path below a plugins folder: where it stands, or what is in it.
Contents = Mapping[str, Path | bytes]


def keep() -> None:
    """Forgets nothing: what others may have imported as well stays."""


def tell_nothing() -> None:
    return None


class Modules(NamedTuple):
    """The names of modules that a plugin uses: its `own` are those that `forget` frees, the `shared` ones others use as
    well."""

    own: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()


class Stated(msgspec.Struct, frozen=True):
    """The hook of a plugin that has one, as it is known without running its code. Whatever else is bound for it is its
    dialect's."""

    name: str
    point: PointName
    on_failure: Policy
    timeout_ms: int


class Form(msgspec.Struct, frozen=True):
    """A plugin's config as it is known without running its code."""

    ui_schema: Any
    model: type[BaseModel]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that a source has seen. `name` is how the source calls it; `dialect` names the dialect that recognised
    it.

    `manifest` reads what it says of itself without running its code: `None` where only the code can tell; raises
    `ManifestError`. `form` is what it says of its config, in the same way, and `hook` what it says of its hook, for
    dialects whose plugins have one.
    `load` runs its code and may raise anything; `forget` lets go of what `load` brought, and `modules` names it.

    `runtime` is where its code runs. `root` is the plugins folder it was found in, the copy where that is one: what
    another process finds it in again by its `name`. `contents` are the files that make it up: written below an
    empty plugins folder they are found there again as the same plugin and nothing else. Raises `ManifestError`.
    `None` for what is installed in the interpreter itself, which `version` then tells apart. `aliases` are names
    that it can be asked for by, beside `name`, its id and its display name.
    """

    name: str
    source: str
    dialect: str
    place: str
    load: Callable[[], object]
    manifest: Callable[[], Manifest | None] = tell_nothing
    contents: Callable[[], Contents] | None = None
    form: Callable[[], Form | None] = tell_nothing
    hook: Callable[[], Stated | None] = tell_nothing
    forget: Callable[[], None] = keep
    modules: Callable[[], Modules] = Modules
    folder: Path | None = None
    root: Path | None = None
    runtime: str = "inprocess"
    version: str = ""
    aliases: tuple[str, ...] = ()


# What a dialect recognises below a plugins folder. What is wrong with one plugin is raised by its `manifest`,
# `contents` and `load`, so that it is listed as failed and no other is lost.
Finder = Callable[[Path], tuple[Found, ...]]


class Source(Protocol):
    def find(self) -> tuple[Found, ...]: ...
