"""A gateway for the tests of factory plugins: `create_app`, and an ASGI transport in the place of a server.

app = create_app(Settings(plugin_discovery={"directories": ["plugins"]}))
await initialize_plugins_startup(app, app.state.settings)
async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client: ...
await shutdown_plugins(app)

`create_cli` gives the commands that plugins add to the command line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from secrets import token_urlsafe
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jackfield import settings as own
from jackfield.app.gateway import Gateway
from jackfield.app.serving import prepare
from jackfield.errors import PluginFailed, Unavailable
from jackfield.server.asgi import send_error


class Discovery(BaseModel):
    """The folders that plugins are looked for in."""

    model_config = ConfigDict(extra="forbid")

    directories: list[Path] = Field(default_factory=list)


class Settings(BaseModel):
    """`plugins` is each plugin's config, by name; `upstreams` are tables as in the gateway's own config."""

    model_config = ConfigDict(extra="forbid")

    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict)
    plugin_discovery: Discovery = Field(default_factory=Discovery)
    plugins_disable_local_discovery: bool = False
    disabled_plugins: list[str] = Field(default_factory=list)
    upstreams: list[dict[str, Any]] = Field(default_factory=list)


class FactoryApp:
    """An ASGI application. Whoever shows it no key is its owner."""

    def __init__(self, settings: Settings) -> None:
        self.state = SimpleNamespace(settings=settings)
        self._key = f"jf-{token_urlsafe(32)}"
        self._gateway: Gateway | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if self._gateway is None:
            await send_error(send, Unavailable("the plugins are not initialised: await initialize_plugins_startup"))
            return
        headers = list(scope.get("headers", ()))
        if not any(name in (b"authorization", b"x-api-key") for name, _ in headers):
            headers.append((b"authorization", f"Bearer {self._key}".encode()))
        await self._gateway.asgi({**scope, "headers": headers}, receive, send)

    async def open(self, settings: Settings) -> None:
        """Raises `RuntimeError` where it is open already."""
        if self._gateway is not None:
            raise RuntimeError("the plugins of this application are initialised already")
        self._folder = tempfile.TemporaryDirectory(prefix="jackfield-test-")
        environ = {"JACKFIELD_ADMIN_KEY": self._key, "JACKFIELD_API_KEY": f"jf-{token_urlsafe(32)}"}
        loaded = own.load(None, _translate(settings, self._folder.name), environ)
        await prepare(loaded, environ)
        self._gateway = await Gateway(loaded, environ).__aenter__()
        self.state.settings = settings

    async def aclose(self) -> None:
        gateway, folder = self._gateway, self._folder
        self._gateway = self._folder = None
        if gateway is not None:
            await gateway.__aexit__(None, None, None)
        if folder is not None:
            folder.cleanup()


def create_app(settings: Settings | None = None) -> FactoryApp:
    return FactoryApp(settings or Settings())


async def initialize_plugins_startup(app: FactoryApp, settings: Settings | None = None) -> None:
    """Loads and starts the plugins, as a gateway does."""
    await app.open(settings or app.state.settings)


async def shutdown_plugins(app: FactoryApp) -> None:
    """Ends them. More than once is no error."""
    await app.aclose()


def create_cli(settings: Settings | None = None) -> Any:
    """The commands that plugins add to the command line, as one application for `typer.testing.CliRunner`. What is
    wrong with a plugin is told on standard error."""
    # Imported here: most tests have nothing to do with these.
    import typer

    from jackfield.dialects.factory.commands import add_command, list_commands

    groups: dict[tuple[str, ...], Any] = {(): typer.Typer(add_completion=False, pretty_exceptions_enable=False)}
    groups[()].callback()(lambda: None)
    for adding, config in _list_adding(settings or Settings()):
        for command in list_commands(adding):
            add_command(_group(groups, command.path[:-1]), command, adding.plugin, config)
    return groups[()]


def _group(groups: dict[tuple[str, ...], Any], path: tuple[str, ...]) -> Any:
    if path not in groups:
        import typer

        groups[path] = typer.Typer(no_args_is_help=True)
        _group(groups, path[:-1]).add_typer(groups[path], name=path[-1])
    return groups[path]


def _list_adding(settings: Settings) -> Iterator[tuple[Any, BaseModel]]:
    import typer

    from jackfield.dialects.factory.commands import add_from
    from jackfield.dialects.factory.dialect import FactoryDialect
    from jackfield.host.loader import NO_CONFIG, read_config

    loaded = own.load(None, _translate(settings, "."), {})
    dialect = FactoryDialect(loaded)
    for found in (found for folder in loaded.plugins.dirs for found in dialect.find(folder)):
        config = loaded.plugins.config.get(found.name, NO_CONFIG)
        if config.enabled is False:
            continue
        try:
            adding = add_from(dialect, found)
        except PluginFailed as error:
            typer.echo(str(error), err=True)
            continue
        yield adding, read_config(adding.model, adding.plugin, config)


def _translate(settings: Settings, folder: str) -> dict[str, Any]:
    config = {name: dict(table) for name, table in settings.plugins.items()}
    for name in settings.disabled_plugins:
        config.setdefault(name, {})["enabled"] = False
    plugins = {
        "dirs": [str(place.absolute()) for place in settings.plugin_discovery.directories],
        "disable_local_discovery": settings.plugins_disable_local_discovery,
        "config": config,
    }
    told: dict[str, Any] = {"plugins": plugins, "store": {"data_dir": folder}}
    return {**told, "upstreams": settings.upstreams} if settings.upstreams else told
