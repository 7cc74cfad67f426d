"""Commands and options that plugins add to the command line.

What they add is read from their source without running it; a plugin's code runs only when its command is called, when
help is asked for it, or when the command that it adds options to is called.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from jackfield.cli.options import DEFAULT_CONFIG, find_config, given
from jackfield.errors import ConfigError, JackfieldError

if TYPE_CHECKING:
    from jackfield.dialects.factory.commands import Adding, Command, Option
    from jackfield.dialects.factory.declared import Declared
    from jackfield.settings import Settings
    from jackfield.sources.base import Found

GROUP = "ccproxy.plugins"
_KEPT = "jackfield.plugin_commands"
_OPTIONS = "jackfield.plugin_options"

Path_ = tuple[str, ...]


class Seen(NamedTuple):
    """A plugin that says that it adds something, and what."""

    found: Found
    declared: tuple[Declared, ...]


class PluginLine:
    """What the plugins add that are on by the settings and by what the operator has decided since. Settings that
    cannot be read are only told of where it is `lenient`; else each question raises `ConfigError`."""

    def __init__(
        self, config: Path | None = None, overrides: Mapping[str, Any] | None = None, *, lenient: bool = True
    ) -> None:
        self._config, self._overrides, self._lenient = config, given(overrides or {}), lenient
        self._told: set[str] = set()
        self._read: dict[str, Adding | None] = {}

    def children(self, above: Path_) -> dict[str, str]:
        """What stands below a command, as far as nothing has to be run for it, each with its help; of a group that is
        empty."""
        below: dict[str, str] = {}
        for path, told in self._paths():
            if path[: len(above)] == above and len(path) > len(above):
                below.setdefault(path[len(above)], told if len(path) == len(above) + 1 else "")
        return below

    def command(self, path: Path_) -> Any:
        """A command that is made when it is called, a group, or `None`."""
        paths = dict(reversed(list(self._paths())))
        if path not in paths and not any(known[: len(path)] == path for known in paths):
            paths = self._paths_of_run()
        if path in paths:
            return LateCommand(self, path, paths[path])
        if any(known[: len(path)] == path for known in paths):
            return PluginGroup(name=path[-1], help="Of plugins.", no_args_is_help=True)
        return None

    def make(self, path: Path_) -> Any:
        """Runs the code of the plugin that has it. Raises what names the plugin."""
        from jackfield.dialects.factory.commands import add_from, make_command

        broken: JackfieldError | None = None
        for seen in self._seen:
            if not self._may_have(seen, path):
                continue
            try:
                adding = self._read.get(seen.found.name) or add_from(self._dialect, seen.found)
            except JackfieldError as error:
                broken = broken or error
                continue
            for command in self._commands_of(adding):
                if command.path == path:
                    return make_command(command, adding.plugin, self._config_of(adding, seen.found))
        raise broken or ConfigError(f"no plugin has the command {' '.join(path)!r} after all")

    def options(self, command: str, taken: set[str]) -> list[tuple[str, Option]]:
        """Each with the name of the setting that it is. Runs the code of the plugins that declare some."""
        from jackfield.dialects.factory.commands import list_options

        found: list[tuple[str, Option]] = []
        for seen in self._seen:
            if not any(one.kind == "option" and one.name in (command, None) for one in seen.declared):
                continue
            adding = self._run(seen)
            for option in list_options(adding, command, taken, self.tell) if adding else ():
                taken |= option.flags
                found.append((f"plugins.config.{self._section(adding, seen.found)}.{option.field}", option))
        return found

    def tell(self, message: str) -> None:
        """On standard error, once."""
        from jackfield.cli.output import escape_controls
        from jackfield.telemetry.masking import masked

        if message not in self._told:
            self._told.add(message)
            sys.stderr.write(f"jackfield: {escape_controls(masked(message))}\n")

    @cached_property
    def _dialect(self) -> Any:
        from jackfield.dialects.factory.dialect import FactoryDialect

        return FactoryDialect(self._settings)

    @cached_property
    def _settings(self) -> Settings | None:
        from jackfield.settings import inspect

        settings, problems = inspect(find_config(self._config), self._overrides, os.environ)
        if settings is None and self._lenient:
            self.tell(f"commands of plugins are not known: {problems[0]}")
        elif settings is None:
            raise problems[0] if len(problems) == 1 else ConfigError("\n".join(map(str, problems)))
        return settings

    @cached_property
    def _seen(self) -> tuple[Seen, ...]:
        if (not self._overrides and not _may_be_some(self._config)) or self._settings is None:
            return ()
        from jackfield.dialects.factory.declared import read_declared

        every = [Seen(found, read_declared(place)) for found, place in self._find(self._settings)]
        return tuple(seen for seen in every if seen.declared and not self._is_off(seen.found.name))

    def _find(self, settings: Settings) -> Iterator[tuple[Found, Path]]:
        """Of a folder and a package with one name the folder counts."""
        from importlib.metadata import entry_points

        names: set[str] = set()
        points = entry_points(group=GROUP) if settings.plugins.entry_points else ()
        for folder in settings.plugins.dirs:
            try:
                listed = self._dialect.find(folder)
            except OSError as error:
                self.tell(f"{folder}: commands of plugins are not known: {error.strerror}")
                continue
            for found in listed:
                if found.name not in names:
                    names.add(found.name)
                    yield found, folder / found.name
        for found in self._dialect.find_installed(points):
            place = self._dialect.place_of(found)
            if found.name not in names and place is not None:
                yield found, place

    @cached_property
    def _switched_off(self) -> frozenset[str]:
        """By the operator, while a gateway ran. Read only where some plugin adds something."""
        settings = self._settings
        if settings is None or (settings.store.url.reveal() == "sqlite" and not settings.store.data_dir.exists()):
            return frozenset()
        from jackfield.cli.installed import read_world

        world = asyncio.run(read_world(settings))
        return frozenset(name for name, entry in world.entries.items() if entry.enabled is False)

    def _is_off(self, name: str) -> bool:
        assert self._settings is not None, "asked for only where plugins were found"
        config = self._settings.plugins.config.get(name)
        # What is to run apart from the gateway is not to run here, either.
        kept_out = config is not None and (config.enabled is False or config.runtime not in (None, "inprocess"))
        return kept_out or name in self._switched_off

    def _paths(self) -> Iterator[tuple[Path_, str]]:
        """Without running anything."""
        for seen in self._seen:
            for one in seen.declared:
                if one.name is not None and one.kind != "option":
                    above = ("auth", seen.found.name) if one.kind == "auth" else tuple((one.parent or "").split())
                    yield (*above, one.name), one.told or f"Of the plugin {seen.found.name}."

    def _paths_of_run(self) -> dict[Path_, str]:
        """Of those of which only the running code tells the names."""
        unsure = [seen for seen in self._seen if any(one.name is None for one in seen.declared)]
        ran = [adding for seen in unsure if (adding := self._run(seen)) is not None]
        return {command.path: command.told for adding in ran for command in self._commands_of(adding)}

    def _run(self, seen: Seen) -> Adding | None:
        from jackfield.dialects.factory.commands import add_from

        name = seen.found.name
        if name not in self._read:
            try:
                self._read[name] = add_from(self._dialect, seen.found)
            except JackfieldError as error:
                self.tell(str(error))
                self._read[name] = None
        return self._read[name]

    def _commands_of(self, adding: Adding) -> Iterator[Command]:
        from jackfield.dialects.factory.commands import list_commands

        if not self._is_off(adding.plugin):
            yield from list_commands(adding)

    def _may_have(self, seen: Seen, path: Path_) -> bool:
        if path[0] == "auth" and len(path) > 1 and path[1] == seen.found.name:
            return True
        return any(one.kind != "option" and one.name in (path[-1], None) for one in seen.declared)

    def _section(self, adding: Adding | None, found: Found) -> str:
        """The section of the config that counts for it."""
        assert self._settings is not None, "as above"
        plugin = adding.plugin if adding is not None else found.name
        return found.name if found.name in self._settings.plugins.config else plugin

    def _config_of(self, adding: Adding, found: Found) -> Any:
        from jackfield.host.loader import NO_CONFIG, read_config

        assert self._settings is not None, "as above"
        config = self._settings.plugins.config.get(self._section(adding, found), NO_CONFIG)
        return read_config(adding.model, adding.plugin, config)


class LateCommand(TyperCommand):
    """A plugin's command: known by name and help, and made when it is called."""

    def __init__(self, line: PluginLine, path: Path_, told: str) -> None:
        super().__init__(name=path[-1], help=told)
        self._line, self._path = line, path

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self._line.make(self._path).make_context(info_name, args, parent=parent, **extra)


class PluginGroup(TyperGroup):
    """A group that plugins may add to; what it has itself comes first."""

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *(name for name in _line_of(ctx).children(_words(ctx)) if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or _line_of(ctx).command((*_words(ctx), cmd_name))


class PluginOptions(TyperCommand):
    """A command that plugins may add options to. What was given of them is what `given_options` tells."""

    added: Sequence[tuple[str, Option]] = ()

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        flags = {flag for one in self.params for flag in (*one.opts, *one.secondary_opts)}
        folders = {"plugins.dirs": _all_of(args, "--plugins-dir")}
        line = PluginLine(_first_of(args, "--config"), folders, lenient="--help" in args)
        extended = copy.copy(self)
        extended.added = line.options(str(self.name), flags)
        extended.params = [*self.params, *(option.parameter for _, option in extended.added)]
        return super(PluginOptions, extended).make_context(info_name, args, parent=parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        values = {setting: ctx.params.pop(option.parameter.name) for setting, option in self.added}
        ctx.meta[_OPTIONS] = {name: value for name, value in values.items() if value not in (None, (), [])}
        return super().invoke(ctx)


def given_options(context: typer.Context) -> dict[str, Any]:
    """The settings that plugins' options have given, by name."""
    options: dict[str, Any] = context.meta.get(_OPTIONS, {})
    return options


def _line_of(ctx: Any) -> PluginLine:
    line: PluginLine = ctx.meta.setdefault(_KEPT, PluginLine())
    return line


def _words(ctx: Any) -> Path_:
    """The words that lead to a group, without the name of the program."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, str(ctx.info_name))
        ctx = ctx.parent
    return tuple(words)


def _may_be_some(config: Path | None) -> bool:
    """Where nothing says that there are plugins the settings need not be read."""
    if config is not None or DEFAULT_CONFIG.exists() or Path("plugins").is_dir():
        return True
    if any(name.upper().startswith(("JACKFIELD_PLUGINS__", "PLUGINS_")) for name in os.environ):
        return True
    from importlib.metadata import entry_points

    return bool(entry_points(group=GROUP))


def _all_of(args: Sequence[str], name: str) -> list[Path]:
    """The values of an option, as far as they can be told before the command is read."""
    found = [Path(after) for word, after in itertools.pairwise(args) if word == name]
    return [*found, *(Path(word.partition("=")[2]) for word in args if word.startswith(f"{name}="))]


def _first_of(args: Sequence[str], name: str) -> Path | None:
    return next(iter(_all_of(args, name)), None)
