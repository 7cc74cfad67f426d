"""What plugins add to the command line, made of what they declare: commands, and options of other commands."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Optional

import typer
from pydantic import BaseModel
from typer.main import get_command

from jackfield.dialects.factory.dialect import FactoryDialect
from jackfield.dialects.factory.names.declarations import AuthCommandSpec, CliArgumentSpec, PluginManifest
from jackfield.errors import ConfigError, JackfieldError, PluginFailed
from jackfield.sdk.plugin import config_model
from jackfield.sources.base import Found
from jackfield.telemetry.text import describe_error

AUTH = "auth"
# Of what an author may say of an option, what goes on to typer; how a flag is one it knows from the type.
_PASSED = ("rich_help_panel", "metavar", "hidden", "envvar", "min", "max", "show_default")
_THEIR_OWN = (typer.Exit, typer.Abort, typer.BadParameter, JackfieldError)

Tell = Callable[[str], None]


class Adding(NamedTuple):
    """A plugin whose code was run for what it adds to the command line. `called` is what its source calls it, which is
    known before that."""

    plugin: str
    called: str
    declared: PluginManifest
    model: type[BaseModel]


class Command(NamedTuple):
    """`path` are the words that it is called by."""

    path: tuple[str, ...]
    function: Callable[..., Any]
    told: str = ""
    parameters: tuple[inspect.Parameter, ...] | None = None


class Option(NamedTuple):
    """`field` is the one of the plugin's config that it sets; `parameter` has its name in the command."""

    plugin: str
    field: str
    parameter: Any

    @property
    def flags(self) -> frozenset[str]:
        return frozenset((*self.parameter.opts, *self.parameter.secondary_opts))


def add_from(dialect: FactoryDialect, found: Found) -> Adding:
    """Runs its code. Raises `PluginFailed` naming it."""
    try:
        blueprint = dialect.read(found)
    except (Exception, SystemExit) as error:
        why = str(error) if isinstance(error, JackfieldError) else describe_error(error)
        raise PluginFailed(f"plugin {found.name}: {why}", plugin=found.name) from error
    kind: Any = blueprint.kind
    return Adding(blueprint.manifest.id, found.name, kind.declared, config_model(kind))


def list_commands(adding: Adding) -> Iterator[Command]:
    for spec in adding.declared.cli_commands:
        above = tuple((spec.parent_command or "").split())
        yield Command((*above, spec.command_name), spec.command_function, spec.help_text)
    for auth in adding.declared.auth_commands:
        path = (AUTH, adding.called, auth.command_name)
        yield Command(path, auth.handler, auth.description, _auth_parameters(auth))


def make_command(command: Command, plugin: str, config: BaseModel | None) -> Any:
    """Raises `PluginFailed` for a function that cannot be one."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    add_command(app, command, plugin, config)
    try:
        return get_command(app)
    except Exception as error:
        told = f"plugin {plugin}: the command {' '.join(command.path)!r}: {describe_error(error)}"
        raise PluginFailed(told, plugin=plugin) from error


def add_command(app: typer.Typer, command: Command, plugin: str, config: BaseModel | None) -> None:
    """`ctx.obj` of its `typer.Context` tells the plugin and its config."""
    settings = {"obj": {"plugin": plugin, "config": config}}
    told = command.told or f"Of the plugin {plugin}."
    app.command(command.path[-1], help=told, context_settings=settings)(_guarded(command, plugin))


def _guarded(command: Command, plugin: str) -> Callable[..., Any]:
    """Its function, awaited where it has to be, whose failure names the plugin."""

    @functools.wraps(command.function)
    def run(*args: Any, **given: Any) -> Any:
        try:
            answer = command.function(*args, **given)
            return asyncio.run(_wait_for(answer)) if inspect.isawaitable(answer) else answer
        except _THEIR_OWN:
            raise
        except Exception as error:
            told = f"plugin {plugin}: {' '.join(command.path)}: {describe_error(error)}"
            raise PluginFailed(told, plugin=plugin) from error

    return run if command.parameters is None else _with_parameters(run, command.parameters)


async def _wait_for(answer: Any) -> Any:
    return await answer


def _auth_parameters(spec: AuthCommandSpec) -> tuple[inspect.Parameter, ...] | None:
    """An option is a table of `type`, `help`, `default` and `required`, or just what it is without being given. `None`
    where the handler itself says what it takes."""
    if not spec.options:
        return None
    return tuple(_auth_parameter(_identifier(name), said) for name, said in spec.options.items())


def _auth_parameter(name: str, said: Any) -> inspect.Parameter:
    table = said if isinstance(said, Mapping) else {"default": said}
    default = table.get("default", False if table.get("type") is bool else None)
    kind = table.get("type") or (str if default is None else type(default))
    missing = inspect.Parameter.empty if table.get("required") else default
    return _parameter(name, kind, missing, (_flag(name),), {"help": str(table.get("help", ""))})


def list_options(adding: Adding, command: str, taken: Collection[str], tell: Tell) -> Iterator[Option]:
    """Those that it adds to a command, as far as they can be: the others are told of. `taken` are the flags that the
    command has already."""
    lacking: list[str] = []
    for number, spec in enumerate(adding.declared.cli_arguments):
        if spec.target_command != command:
            continue
        if not _has_field(adding.model, spec):
            lacking.append(spec.argument_name)
            continue
        try:
            option = _make_option(adding, spec, number)
        except PluginFailed as error:
            tell(str(error))
            continue
        if clash := sorted(option.flags & set(taken)):
            tell(f"plugin {adding.plugin}: {command} has {clash[0]} already")
        else:
            yield option
    if lacking:
        names = ", ".join(map(repr, lacking))
        tell(f"plugin {adding.plugin}: of its options of {command} its config has no field for {names}")


def _has_field(model: type[BaseModel], spec: CliArgumentSpec) -> bool:
    return _word(spec.argument_name) in model.model_fields or model.model_config.get("extra") == "allow"


def _make_option(adding: Adding, spec: CliArgumentSpec, number: int) -> Option:
    try:
        field = _identifier(spec.argument_name)
        return Option(adding.plugin, field, _make_parameter(adding, spec, f"of_{adding.plugin}_{number}", field))
    except Exception as error:
        told = f"plugin {adding.plugin}: its option {spec.argument_name!r}: {describe_error(error)}"
        raise PluginFailed(told, plugin=adding.plugin) from error


def _make_parameter(adding: Adding, spec: CliArgumentSpec, name: str, field: str) -> Any:
    """One of typer's. What is not given overrides nothing, so that it has no default but the config's."""
    said = dict(spec.typer_kwargs)
    names = said.pop("option", None) or _flag(field)
    flags = (names,) if isinstance(names, str) else tuple(names)
    kept = {key: said[key] for key in _PASSED if key in said}
    told = f"{spec.help_text} (plugin {adding.plugin})".strip()
    parameter = _parameter(
        _identifier(name),
        spec.argument_type,
        inspect.Parameter.empty if spec.required else None,
        flags,
        {"help": told, **kept},
    )
    app = typer.Typer(add_completion=False)
    app.command(spec.target_command)(_with_parameters(lambda **given: None, (parameter,)))
    return next(one for one in get_command(app).params if one.name == parameter.name)


def _parameter(
    name: str, kind: Any, default: Any, flags: tuple[str, ...], more: Mapping[str, Any]
) -> inspect.Parameter:
    wanted: Any = kind if default is not None else Optional[kind]  # noqa: UP045 - the type is a value here
    option: Any = typer.Option(*flags, **more)
    annotation = Annotated[wanted, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _with_parameters(function: Callable[..., Any], parameters: tuple[inspect.Parameter, ...]) -> Callable[..., Any]:
    """A function that says that it takes these."""

    def run(**given: Any) -> Any:
        return function(**given)

    told: Any = run
    told.__signature__ = inspect.Signature(list(parameters))
    told.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _identifier(name: str) -> str:
    """Raises `ConfigError` for what can be no name."""
    word = _word(name)
    if not word.isidentifier():
        raise ConfigError(f"an option cannot be called {name!r:.100}")
    return word


def _word(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
