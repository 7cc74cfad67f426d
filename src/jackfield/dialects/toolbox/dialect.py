"""The toolbox dialect: a plugins folder with a folder for each plugin, and a manifest in it."""

from __future__ import annotations

import itertools
import re
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import structlog

from jackfield.clock import Clock, SystemClock
from jackfield.dialects.base import Blueprint
from jackfield.dialects.modules import PLUGIN_MODULES, Root
from jackfield.dialects.toolbox.config import OwnConfig
from jackfield.dialects.toolbox.folder import PYTHON, ToolboxFolder, find_folders
from jackfield.dialects.toolbox.python import PythonCode, PythonToolbox
from jackfield.dialects.toolbox.script import OpenSession, ScriptCode, ScriptToolbox, open_node
from jackfield.errors import ManifestError
from jackfield.sources.base import Form, Found

log = structlog.get_logger("jackfield.host")
# What the guide calls plugins in the requests that they send.
AGENT = "OpenSentinel-Plugin"
_serial = itertools.count(1)
_NOT_A_NAME = re.compile(r"\W")


class Loaded(NamedTuple):
    """`module` is `None` where the code is not Python."""

    folder: ToolboxFolder
    module: ModuleType | None


class ToolboxDialect:
    """`open_session` opens the processes of plugins that are not in Python; by default they are Node's. In
    `development` plugins may tell what is for their authors alone."""

    name = "toolbox"

    def __init__(
        self, *, open_session: OpenSession | None = None, clock: Clock | None = None, development: bool = False
    ) -> None:
        self._clock, self._development = clock or SystemClock(), development
        self._open_session = open_session or open_node(self._clock)

    def find(self, folder: Path, shown: Path | None = None) -> tuple[Found, ...]:
        """Each sub-folder with a manifest."""
        return tuple(self._found(one) for one in find_folders(folder, shown or folder))

    def _found(self, one: ToolboxFolder) -> Found:
        """Each find gives a module a name of its own, so that two versions of a plugin can live side by side."""
        module = f"jackfield_toolbox_{next(_serial)}_{_NOT_A_NAME.sub('_', one.folder.name)}"
        return Found(
            name=one.folder.name,
            source="folder",
            dialect=self.name,
            place=str(one.shown),
            load=partial(_load, one, module),
            manifest=one.for_host,
            contents=one.contents,
            form=_tell_form,
            forget=partial(PLUGIN_MODULES.close, module),
            folder=one.shown,
            root=one.folder.parent,
            runtime=one.runtime,
        )

    def read(self, found: Found) -> Blueprint:
        loaded = found.load()
        if not isinstance(loaded, Loaded):
            raise ManifestError("is not a toolbox plugin", file=found.place)
        manifest = loaded.folder.manifest
        if manifest.own_keys:
            log.info("manifest_keys_unused", plugin=manifest.id, keys=manifest.own_keys)
        kind = self._script(loaded.folder) if loaded.module is None else self._python(loaded.folder, loaded.module)
        return Blueprint(manifest.for_host(), kind, runtime=found.runtime, agent="OpenSentinel-Plugin")

    def _python(self, folder: ToolboxFolder, module: ModuleType) -> type[PythonToolbox]:
        code = PythonCode(folder.manifest, module, self._development)
        return type("PythonToolbox", (PythonToolbox,), {"code": code, "__module__": module.__name__})

    def _script(self, folder: ToolboxFolder) -> type[ScriptToolbox]:
        where = folder.folder.resolve()
        main = where / folder.main.relative_to(folder.folder)
        code = ScriptCode(folder.manifest, where, main, self._open_session, self._clock, self._development)
        return type("ScriptToolbox", (ScriptToolbox,), {"code": code})


def _load(one: ToolboxFolder, module: str) -> Loaded:
    """Runs the module of one in Python; code for another process runs there. Raises `ManifestError`, and whatever the
    module raises."""
    main = one.main
    if main.suffix != PYTHON:
        return Loaded(one, None)
    if "." in main.stem:
        raise ManifestError(f"the name of {main.name} has a dot before its ending", file=str(one.place), field="main")
    shown = one.shown / main.relative_to(one.folder).parent
    return Loaded(one, PLUGIN_MODULES.open(module, Root(main.parent, shown, main.stem)))


def _tell_form() -> Form:
    """Which settings it has nobody can tell."""
    return Form(OwnConfig.model_json_schema(), OwnConfig)
