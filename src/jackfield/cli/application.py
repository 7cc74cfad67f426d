"""All commands together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import jackfield
from jackfield.cli import (
    auth,
    bench,
    config,
    doctor,
    key,
    plugin,
    plugin_authoring,  # noqa: F401 - it adds its commands to those of `plugin`
    plugin_call,  # noqa: F401 - so does this
    plugin_install,  # noqa: F401 - and this
    plugin_pack,  # noqa: F401 - and this
    plugin_trial,  # noqa: F401 - and this
    serve,
)
from jackfield.cli.plugin_commands import PluginGroup, PluginOptions

_app = typer.Typer(
    name="jackfield",
    cls=PluginGroup,
    help="An AI gateway in which everything is a plugin.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_app.command(cls=PluginOptions)(serve.serve)
_app.add_typer(key.app, name="key", cls=PluginGroup)
_app.add_typer(plugin.app, name="plugin", cls=PluginGroup)
_app.add_typer(auth.app, name="auth", cls=PluginGroup)
_app.add_typer(config.app, name="config", cls=PluginGroup)
_app.command()(doctor.doctor)
_app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench.bench)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"jackfield {jackfield.__version__}")
        raise typer.Exit


@_app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    return


def command() -> Any:
    """The command itself, which unlike the application leaves our exceptions and `sys.excepthook` alone."""
    return typer.main.get_command(_app)
