"""`jackfield plugin run|test`: trying a plugin without a gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.options import JsonOption
from jackfield.errors import ConfigError

if TYPE_CHECKING:
    from jackfield.testing.host import FakeHost
    from jackfield.testing.trial import Trial

app = typer.Typer(help="Try a plugin.", no_args_is_help=True)

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="The plugin's folder, or one of its files.")]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Which plugin, where there are several at the path.")
]
ConfigOption = Annotated[
    list[str] | None,
    typer.Option("--config", metavar="KEY=VALUE|FILE", help="A setting of the plugin, or a TOML or JSON file of them."),
]
RequestOption = Annotated[
    Path | None, typer.Option("--request", metavar="FILE", help="The body of the request; without one it says hello.")
]
HeaderOption = Annotated[
    list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="A header of the request.")
]


@app.command()
def run(
    path: PathArgument,
    request: RequestOption = None,
    header: HeaderOption = None,
    route: Annotated[
        str, typer.Option("--path", metavar="PATH", help="Where the request goes, such as /v1/messages.")
    ] = "/v1/chat/completions",
    config: ConfigOption = None,
    answer: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the upstream answers; else it repeats what it is told.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Ask for a stream.")] = False,
    name: NameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one request through a plugin and show what each phase and hook made of it. No gateway is needed."""
    from jackfield.cli.output import print_json
    from jackfield.cli.trial_input import read_body, read_config, read_headers
    from jackfield.cli.trial_report import print_trial
    from jackfield.testing.host import FakeHost

    _log_to_stderr()
    body, headers = read_body(request, route, stream=stream), read_headers(header or [])
    host = FakeHost(path, name=name, config=read_config(config or []), answer=answer)
    trial = asyncio.run(_try(host, body, route, headers))
    if as_json:
        print_json(trial.as_json())
    else:
        print_trial(host, route, trial)


async def _try(host: FakeHost, body: bytes, path: str, headers: dict[str, str]) -> Trial:
    from jackfield.testing.lives import PluginBroke

    try:
        async with host:
            return await host.request(body, path=path, headers=headers)
    except PluginBroke as error:
        raise ConfigError(str(error), plugin=host.id) from error


def _log_to_stderr() -> None:
    """What the plugin itself logs, apart from the report."""
    from jackfield.settings import LogSettings
    from jackfield.telemetry.logs import configure_logs

    configure_logs(LogSettings(level="error"))
