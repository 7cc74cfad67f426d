"""`jackfield plugin install|search`: from a folder, an archive, an address or a catalogue into a running gateway."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import typer

from jackfield.cli.admin_client import AdminClient, KeyFileOption, UrlOption, reach
from jackfield.cli.options import ConfigOption, JsonOption
from jackfield.cli.output import escape_controls, print_json
from jackfield.cli.plugin import PLUGINS, ApproveOption, app, split_names, tell

ALL = "all"
ENDING = ".jackfield"
_NAMED_VERSION = re.compile(r"(?P<name>[^@]+)@(?P<version>\d[^@]*)")


@app.command()
def install(
    plugin: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@VERSION]|FILE|URL|FOLDER",
            help="One on the gateway's disk or in a catalogue, a packed one, or a folder: paths with a slash.",
        ),
    ],
    sha256: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="What the file, or the folder's contents, must have.")
    ] = None,
    approve: ApproveOption = None,
    runtime: Annotated[
        str | None,
        typer.Option(metavar="RUNTIME", help="Where its code runs: isolated, or inprocess if you trust it."),
    ] = None,
    allow_downgrade: Annotated[
        bool, typer.Option("--allow-downgrade", help="Take a version that is not newer than the installed one.")
    ] = False,
    new_signer: Annotated[
        bool, typer.Option("--new-signer", help="Take one that somebody else has signed than the installed one.")
    ] = False,
    no_cooldown: Annotated[
        bool, typer.Option("--no-cooldown", help="Take a version that is named and was published only just.")
    ] = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a plugin into service: a copy, which runs isolated unless you say otherwise.

    Files and folders are on the gateway's machine. What it asks for and was not approved leaves it disabled, until you
    approve it with `plugin permissions`; `--approve all` approves all that it asks for.
    """
    given = {
        "sha256": sha256,
        "runtime": runtime,
        "allow_downgrade": allow_downgrade,
        "new_signer": new_signer,
        "no_cooldown": no_cooldown,
    }
    body = name_source(plugin) | {key: value for key, value in given.items() if value}
    client = reach(config, url, admin_key_file)
    offer = client.ask("POST", f"{PLUGINS}/inspect", body)
    approved = _settle_approval(offer, split_names(approve), quiet=as_json)
    wanted = _pinned(body, offer) | {"approve": approved}
    look = f"jackfield plugin info {offer['id']}"
    told = client.follow("POST", f"{PLUGINS}/install", wanted, partial(_tell_waiting, offer["id"]), look)
    tell(told, f"installed {', '.join(told['plugins']) or plugin}", f"{plugin} is installed already", as_json=as_json)
    waiting = [one["name"] for one in offer["asked"] if one["name"] not in (*offer["approved"], *approved)]
    if waiting and not as_json and _is_waiting(client, offer["id"]):
        sys.stderr.write(
            f"note: {offer['id']} waits: jackfield plugin permissions {offer['id']} --approve {','.join(waiting)}\n"
        )


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]...", help="All of them must occur.")] = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    admin_key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find plugins in the catalogues that the gateway knows."""
    from jackfield.cli.plugin_output import print_listed

    client = reach(config, url, admin_key_file)
    told = client.ask("GET", f"/api/v1/catalogue?q={quote(' '.join(words or ()))}")
    if as_json:
        print_json(told)
        return
    print_listed(told["data"])
    for one in told["catalogues"]:
        if one["problem"]:
            problem = escape_controls(" ".join(one["problem"].split()))
            sys.stderr.write(f"note: the catalogue {one['name']} was not read: {problem}\n")
    if not told["catalogues"]:
        sys.stderr.write("note: the gateway knows no catalogue: install.catalogues of its config names none\n")


def _tell_waiting(plugin_id: str, seconds: float) -> None:
    sys.stderr.write(f"note: {plugin_id} is still being installed, for {seconds:.0f} s now\n")


def name_source(plugin: str) -> dict[str, str]:
    """A display name may hold a slash as well; what is a URL the gateway says."""
    if "://" in plugin:
        return {"source": plugin}
    is_path = plugin in (".", "..") or plugin.startswith(("/", "./", "../"))
    is_there = ("/" in plugin and os.path.isdir(plugin)) or (plugin.endswith(ENDING) and os.path.isfile(plugin))
    if is_path or is_there:
        return {"source": os.path.abspath(plugin)}
    named = _NAMED_VERSION.fullmatch(plugin)
    return {"name": plugin} if named is None else {"name": named["name"], "version": named["version"]}


def _pinned(body: dict[str, Any], offer: dict[str, Any]) -> dict[str, Any]:
    """What was shown is what is installed, whatever happens to the file meanwhile."""
    if not offer["packed"] and "source" not in body:
        return body
    version = {"version": offer["version"]} if "source" not in body and "version" in body else {}
    return body | {"sha256": offer["sha256"]} | version


def _settle_approval(offer: dict[str, Any], approve: list[str], *, quiet: bool) -> list[str]:
    """What is approved with it. Shows what it asks for and, where somebody can answer, asks. Raises `Exit`."""
    from jackfield.cli.plugin_output import print_offer

    asked = [one["name"] for one in offer["asked"]]
    approved = asked if approve == [ALL] else approve
    missing = [name for name in asked if name not in (*offer["approved"], *approved)]
    asks = bool(missing) and not quiet and sys.stdin.isatty() and sys.stdout.isatty()
    if not quiet and (offer["packed"] or missing):
        print_offer(offer)
    if not asks:
        return approved
    if not typer.confirm(f"Approve {', '.join(missing)}, and install {offer['id']}?"):
        typer.echo("nothing has changed")
        raise typer.Exit(1)
    return [*approved, *missing]


def _is_waiting(client: AdminClient, plugin_id: str) -> bool:
    """What its config approves beside this nobody can tell here."""
    told = client.ask("GET", f"{PLUGINS}?name={quote(plugin_id)}")["plugins"][0]
    return bool(told["permissions"]["difference"])
