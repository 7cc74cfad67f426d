"""`jackfield plugin call`: one tool of a plugin, without a gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jackfield.cli.plugin import app
from jackfield.cli.plugin_trial import FAILED, ConfigOption, NameOption, PathArgument, errors_alone
from jackfield.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from jackfield.sdk.tools import ToolReply
    from jackfield.testing.host import FakeHost


@app.command("call")
def call_tool(
    path: PathArgument,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool's short name, or its full one.")],
    arguments: Annotated[
        str, typer.Option("--input", metavar="JSON|FILE", help="What the tool is called with, as a JSON object.")
    ] = "{}",
    user: Annotated[str, typer.Option(metavar="USER", help="On whose behalf.")] = "tester",
    offline: Annotated[bool, typer.Option("--offline", help="Refuse the plugin's HTTP requests.")] = False,
    config: ConfigOption = None,
    name: NameOption = None,
) -> None:
    """Call one tool of a plugin, as a model would, and print its reply as JSON. What it stores is gone afterwards; its
    HTTP requests really go out."""
    from jackfield.cli.output import print_json
    from jackfield.cli.trial_input import read_config
    from jackfield.testing.host import FakeHost

    given = _read_arguments(arguments)
    host = FakeHost(path, name=name, config=read_config(config or []), http=None if offline else "real")
    reply = asyncio.run(_call(host, tool, given, user))
    print_json({"success": reply.success, "result": reply.result, "error": reply.error})
    if not reply.success:
        raise typer.Exit(FAILED)


def _read_arguments(text: str) -> dict[str, Any]:
    """Raises `ConfigError`."""
    place = None if text.lstrip()[:1] in ("{", "[") else text
    try:
        found = json.loads(text if place is None else Path(place).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--input: expected a JSON object or a file of one: {error}", file=place) from error
    if not isinstance(found, dict):
        raise ConfigError("--input: expected a JSON object", file=place)
    return found


async def _call(host: FakeHost, tool: str, arguments: dict[str, Any], user: str) -> ToolReply:
    from jackfield.host.loader import PluginBroke

    try:
        with errors_alone():
            async with host:
                offered = {name for one in host.tools for name in (one.spec.name, one.name)}
                if tool not in offered:
                    names = ", ".join(sorted(one.spec.name for one in host.tools)) or "none"
                    raise NotFound(f"{host.id} has no tool {tool!r}; it has: {names}")
                return await host.call_tool(tool, arguments, user=user)
    except PluginBroke as error:
        raise ConfigError(str(error), plugin=host.id) from error
