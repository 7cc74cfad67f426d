"""`jackfield key create|list|revoke`"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from jackfield.cli.expiry import read_expiry, show_time
from jackfield.cli.options import ConfigOption, DataDirOption, JsonOption, read_store_settings
from jackfield.cli.output import print_json, print_table

if TYPE_CHECKING:
    from jackfield.control.credentials import Credential, Credentials, Issued

T = TypeVar("T")

ACTOR = "command line"

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


class Role(StrEnum):
    INFERENCE = "inference"
    ADMIN = "admin"


@app.command()
def create(
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call the key.")] = None,
    role: Annotated[Role, typer.Option(help="Inference keys never reach the admin API.")] = Role.INFERENCE,
    for_app: Annotated[str | None, typer.Option("--app", metavar="APP", help="The app it belongs to.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="30d, 12h, 45m, or a date such as 2030-01-31.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Allow only these; repeated, or with commas.")
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it once."""
    expires_at = read_expiry(expires, time.time()) if expires else None
    allowed = tuple(model.strip() for given in models or () for model in given.split(",") if model.strip())

    async def make(credentials: Credentials) -> Issued:
        return await credentials.create(
            name=name, role=role.value, app=for_app, expires_at=expires_at, models=allowed, actor=ACTOR
        )

    issued = asyncio.run(_with_credentials(config, data_dir, make))
    if as_json:
        print_json({"key": issued.text, **_as_json(issued.credential)})
    else:
        sys.stdout.write(issued.text + "\n")
        made = issued.credential
        sys.stderr.write(f"{made.role} key {made.name} ({made.id}); it is not shown again\n")


@app.command("list")
def list_keys(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """All keys, revoked and expired ones too; of each only its last four characters are kept."""

    async def find(credentials: Credentials) -> Sequence[Credential]:
        return await credentials.list()

    found = asyncio.run(_with_credentials(config, data_dir, find))
    if as_json:
        print_json([_as_json(key) for key in found])
        return
    headings = ("ID", "NAME", "ROLE", "STATE", "ENDS IN", "APP", "MODELS", "CREATED", "EXPIRES")
    print_table(headings, [_row(key, time.time()) for key in found])


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|NAME")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key by id or name; running gateways refuse it within half a second."""

    async def end(credentials: Credentials) -> Credential:
        return await credentials.revoke(key, actor=ACTOR)

    revoked = asyncio.run(_with_credentials(config, data_dir, end))
    if as_json:
        print_json(_as_json(revoked))
    else:
        typer.echo(f"revoked {revoked.name} ({revoked.id})")


async def _with_credentials(
    config: Path | None, data_dir: Path | None, act: Callable[[Credentials], Awaitable[T]]
) -> T:
    from jackfield.clock import SystemClock
    from jackfield.control.credentials import Credentials
    from jackfield.stores.database import Database

    store = read_store_settings(config, data_dir)
    database = await Database.open(store.url.reveal(), store.data_dir)
    try:
        return await act(Credentials.of(database, store.data_dir, os.environ, SystemClock()))
    finally:
        await database.dispose()


def _state(key: Credential, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.is_live(now) else "expired"


def _row(key: Credential, now: float) -> tuple[str, ...]:
    models = ", ".join(key.models) or "all"
    created, expires = show_time(key.created_at), show_time(key.expires_at)
    return (key.id, key.name, key.role, _state(key, now), key.last4, key.app or "-", models, created, expires)


def _as_json(key: Credential) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(key)
    return {**fields, "state": _state(key, time.time())}
