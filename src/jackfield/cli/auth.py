"""`jackfield auth`: accounts at providers, over the paths of a running gateway. No token ever comes here."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from jackfield.cli.admin_client import AdminClient, KeyFileOption, UrlOption, below, reach
from jackfield.cli.expiry import show_time
from jackfield.cli.options import ConfigOption, JsonOption
from jackfield.cli.output import escape_controls, print_json, print_table
from jackfield.errors import ConfigError

OAUTH = "/oauth"
LIST = "/oauth/providers"

app = typer.Typer(help="Sign in with accounts at providers, in place of keys.", no_args_is_help=True)

ProviderArgument = Annotated[str, typer.Argument(metavar="PROVIDER", help="The name of a sign-in: `auth status`.")]
AccountOption = Annotated[str | None, typer.Option(metavar="NAME", help="Which of its accounts.")]


class Flow(StrEnum):
    BROWSER = "browser"
    GATEWAY = "gateway"
    DEVICE = "device"
    MANUAL = "manual"


@app.command()
def login(
    provider: ProviderArgument,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="What to call the account.")] = None,
    flow: Annotated[
        Flow | None,
        typer.Option(
            help="browser: on this machine. gateway: in any browser that reaches the gateway. device: by a code that is"
            " typed elsewhere. manual: by an address that is pasted here."
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address to open.")] = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign in; the gateway keeps the tokens and renews them."""
    # Imported here: no other command listens for a browser.
    from jackfield.cli.auth_login import Login

    client = reach(config, url, admin_key_file)
    view = asyncio.run(_sign_in(Login(client, provider, account, opens=not no_browser), flow))
    if view is None:
        return
    if as_json:
        print_json(view)
    else:
        typer.echo(f"signed in: {_called(view)}")


async def _sign_in(signing_in: Any, flow: Flow | None) -> Mapping[str, Any] | None:
    chosen = flow or await signing_in.usual_flow()
    found: Mapping[str, Any] | None = await signing_in.run(str(chosen))
    return found


@app.command()
def status(
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """What can be signed in to, and every account with its state."""
    told = reach(config, url, admin_key_file).ask("GET", LIST)
    if as_json:
        print_json(told)
        return
    signed_in = {view["provider"] for view in told["accounts"]}
    rows = [_row(view) for view in told["accounts"]]
    rows += [
        (one["name"], "-", "not signed in", "-", "-", "") for one in told["providers"] if one["name"] not in signed_in
    ]
    print_table(("PROVIDER", "ACCOUNT", "STATE", "ENDS", "RENEWS ITSELF", "REASON"), sorted(rows))


@app.command()
def refresh(
    provider: ProviderArgument,
    account: AccountOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Renew an account's token now; the gateway does so by itself before it ends."""
    client = reach(config, url, admin_key_file)
    view = client.ask("POST", below(OAUTH, provider, "/refresh"), {"account": account})
    if as_json:
        print_json(view)
    else:
        typer.echo(f"renewed: {_called(view)}, good until {show_time(view['expires_at'])}")


@app.command()
def logout(
    provider: ProviderArgument,
    account: AccountOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget an account, and have the provider forget it where it can."""
    client = reach(config, url, admin_key_file)
    told = client.ask("POST", below(OAUTH, provider, "/logout"), {"account": account})
    if as_json:
        print_json(told)
        return
    typer.echo(f"signed out: {_called(told['account'])}")
    if not told["revoked"]:
        sys.stderr.write(f"the provider still knows the token: {escape_controls(told['reason'])}\n")


def check_provider(client_told: Mapping[str, Any], provider: str) -> Mapping[str, Any]:
    """Raises `ConfigError` that names those that there are."""
    known: dict[str, Mapping[str, Any]] = {one["name"]: one for one in client_told["providers"]}
    if provider not in known:
        there = f"there are {', '.join(sorted(known))}" if known else "the gateway knows none"
        raise ConfigError(f"there is no sign-in {provider!r}: {there}")
    return known[provider]


async def find_provider(client: AdminClient, provider: str) -> Mapping[str, Any]:
    return check_provider(await client.request("GET", LIST), provider)


def _called(view: Mapping[str, Any]) -> str:
    return escape_controls(f"{view['provider']}/{view['account']}")


def _row(view: Mapping[str, Any]) -> tuple[str, ...]:
    ends, renews = show_time(view["expires_at"]), "yes" if view["renewable"] else "no"
    return (view["provider"], view["account"], view["state"], ends, renews, view["reason"] or "")
