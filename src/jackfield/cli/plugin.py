"""`jackfield plugin`: the plugins of a running gateway, over its admin API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from jackfield.cli.admin_client import KeyFileOption, UrlOption, below, reach
from jackfield.cli.options import ConfigOption, JsonOption
from jackfield.cli.output import print_json
from jackfield.errors import ConfigError

PLUGINS = "/api/v1/plugins"

app = typer.Typer(help="The plugins of a running gateway; write and try your own.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Id, display name or module name.")]
ApproveOption = Annotated[
    list[str] | None, typer.Option(metavar="PERMISSION", help="Approve it; repeated, or with commas.")
]


@app.command("list")
def list_plugins(
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every known plugin, disabled and failed ones too."""
    from jackfield.cli.plugin_output import print_plugins

    told = reach(config, url, admin_key_file).ask("GET", PLUGINS)
    if as_json:
        print_json(told["plugins"])
    else:
        print_plugins(told["plugins"])


@app.command()
def info(
    name: NameArgument,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """One plugin: its state, hooks, permissions, config and statistics."""
    from jackfield.cli.plugin_output import print_plugin

    told = reach(config, url, admin_key_file).ask("GET", f"{PLUGINS}?name={quote(name)}")["plugins"][0]
    if as_json:
        print_json(told)
    else:
        print_plugin(told)


@app.command()
def enable(
    name: NameArgument,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a plugin, and keep it enabled over restarts."""
    body = {"name": name, "enabled": True}
    told = reach(config, url, admin_key_file).ask("POST", f"{PLUGINS}/toggle", body)
    tell(told, f"enabled {name}", f"{name} runs already", as_json=as_json)


@app.command()
def disable(
    name: NameArgument,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a plugin, and keep it disabled over restarts."""
    body = {"name": name, "enabled": False}
    told = reach(config, url, admin_key_file).ask("POST", f"{PLUGINS}/toggle", body)
    tell(told, f"disabled {name}", f"{name} does not run", as_json=as_json)


@app.command()
def reload(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace those too that have not changed.")] = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what is on disk now, without losing a request; all of it, or nothing."""
    body = {"names": names or [], "force": force}
    told = reach(config, url, admin_key_file).ask("POST", f"{PLUGINS}/hot-swap", body)
    tell(told, f"reloaded {', '.join(told['plugins']) or 'nothing'}", "nothing had changed", as_json=as_json)


@app.command()
def rollback(
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to what was before the last change."""
    told = reach(config, url, admin_key_file).ask("POST", f"{PLUGINS}/rollback")
    done = f"rolled back {', '.join(told['plugins'])}".rstrip()
    tell(told, done, "what was before is the same as now", as_json=as_json)


@app.command()
def history(
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """The last changes, newest first, and what a rollback of each goes back to."""
    from jackfield.cli.plugin_output import print_generations

    told = reach(config, url, admin_key_file).ask("GET", "/api/v1/generations")
    if as_json:
        print_json(told["data"])
    else:
        print_generations(told["data"])


@app.command()
def uninstall(
    name: NameArgument,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a plugin out of service. A folder that you put it in stays as it is."""
    told = reach(config, url, admin_key_file).ask("DELETE", below(PLUGINS, name))
    tell(told, f"uninstalled {name}", f"{name} is uninstalled already", as_json=as_json)


@app.command()
def permissions(
    name: NameArgument,
    approve: ApproveOption = None,
    revoke: Annotated[
        list[str] | None, typer.Option(metavar="PERMISSION", help="Take it away; repeated, or with commas.")
    ] = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a plugin asks to be allowed, and what it was allowed; approve it, or take it away."""
    from jackfield.cli.plugin_output import print_permissions

    client, path = reach(config, url, admin_key_file), below(PLUGINS, name, "/permissions")
    told = client.ask("GET", path)
    if approve or revoke:
        wanted = {*told["approved"], *split_names(approve)} - set(split_names(revoke))
        told = client.ask("POST", path, {"approve": sorted(wanted)})
    if as_json:
        print_json(told)
    else:
        print_permissions(told)


@app.command("config")
def configure(
    name: NameArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a value: JSON, or else text; repeated."),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Leave it as it was without you; repeated.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A JSON object in place of all that was set.")
    ] = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """A plugin's config; change it. Secrets are masked, and best set with --file."""
    from jackfield.cli.plugin_output import print_config

    values = dict(map(_read_change, changes or ()))
    whole = None if file is None else _read_object(file)
    client, path = reach(config, url, admin_key_file), below(PLUGINS, name, "/config")
    told = client.ask("GET", path)
    if values or unset or whole is not None:
        wanted = (told["overlay"] if whole is None else whole) | values
        wanted = {key: value for key, value in wanted.items() if key not in (unset or ())}
        told = client.ask("PUT", path, {"config": wanted}, if_match=told["generation"])
    if as_json:
        print_json(told)
    else:
        print_config(told)


def tell(told: dict[str, Any], done: str, already: str, *, as_json: bool) -> None:
    from jackfield.cli.plugin_output import tell_change

    if as_json:
        print_json(told)
    else:
        tell_change(told, done, already)


def split_names(given: list[str] | None) -> list[str]:
    return [name.strip() for text in given or () for name in text.split(",") if name.strip()]


def _read_change(change: str) -> tuple[str, Any]:
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"{change!r} is not KEY=VALUE", param_hint="'--set'")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _read_object(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--file: {file}: {error}") from error
    if not isinstance(read, dict):
        raise ConfigError(f"--file: {file}: is not a JSON object")
    return read
