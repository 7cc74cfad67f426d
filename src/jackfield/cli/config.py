"""`jackfield config show|check`"""

from __future__ import annotations

import json
from typing import Any

import typer

from jackfield.cli.options import ConfigOption, JsonOption, find_config, read_settings
from jackfield.cli.output import print_json, print_table

app = typer.Typer(help="Show and check the configuration.", no_args_is_help=True)


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Every effective setting with where it comes from; secrets are masked."""
    from jackfield.settings import describe

    described = describe(read_settings(config, {}))
    if as_json:
        print_json([{"name": one.name, "value": one.value, "source": one.source} for one in described])
    else:
        print_table(("SETTING", "VALUE", "FROM"), [(one.name, _show(one.value), one.source) for one in described])


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read the configuration as `serve` would and tell everything that is wrong with it."""
    settings = read_settings(config, {})
    file = find_config(config)
    if as_json:
        print_json({"ok": True, "file": str(file) if file else None, "upstreams": len(settings.upstreams)})
    else:
        typer.echo(f"{file or 'the default configuration'} is valid")


def _show(value: Any) -> str:
    return value if isinstance(value, str) else "-" if value is None else json.dumps(value)
