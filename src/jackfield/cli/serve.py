"""`jackfield serve`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jackfield.cli.options import ConfigOption, DataDirOption, read_settings
from jackfield.cli.plugin_commands import given_options
from jackfield.errors import ConfigError


class Role(StrEnum):
    GATEWAY = "gateway"
    HUB = "hub"
    EDGE = "edge"


def serve(
    context: typer.Context,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    plugins_dir: Annotated[
        list[Path] | None,
        typer.Option("--plugins-dir", metavar="DIR", help="A folder of plugins; may be given several times."),
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen on; default 8090.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Worker processes; default 1.")] = None,
    role: Annotated[Role, typer.Option(help="What this process is.")] = Role.GATEWAY,
    dev: Annotated[bool, typer.Option("--dev", help="Development mode.")] = False,
) -> None:
    """Run the gateway."""
    if role is not Role.GATEWAY:
        raise ConfigError(f"the role '{role.value}' is not available in this version; there is 'gateway'")
    settings = read_settings(
        config,
        {
            "server.host": host,
            "server.port": port,
            "server.workers": workers,
            "store.data_dir": data_dir,
            "plugins.dirs": plugins_dir,
            **given_options(context),
        },
    )
    from jackfield import app

    raise typer.Exit(app.serve(settings, dev=dev))
