"""`jackfield plugin pack|keys|catalogue`: sealing plugins, and telling others which there are."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.options import JsonOption
from jackfield.cli.output import print_json
from jackfield.cli.plugin import app
from jackfield.errors import ConfigError

if TYPE_CHECKING:
    from jackfield.sources.archives.catalogue import Index

catalogue = typer.Typer(help="Write an index of packed plugins, for gateways to install from.", no_args_is_help=True)
app.add_typer(catalogue, name="catalogue")

KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The private key to sign with; `plugin keys` makes one.")
]
IndexOption = Annotated[Path, typer.Option("--index", metavar="FILE", help="The index; made where there is none.")]
IndexKeyOption = Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key that signs the index.")]
DaysOption = Annotated[
    int, typer.Option("--days", metavar="DAYS", min=1, max=3650, help="How long gateways may install from it.")
]


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The plugin, or a folder with one plugin.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Default <id>-<version>.jackfield.")
    ] = None,
    key: KeyOption = None,
    wheels: Annotated[
        bool, typer.Option("--wheels", help="Have pip bring the packages that it needs, so that no network is needed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make one sealed file of a plugin: its code and tests, what it was locked to, a bill of materials, a signature.

    The same files make the same file, to the byte.
    """
    from jackfield.cli.packing import check_lock, draft_of
    from jackfield.sources.archives.keys import SigningKey
    from jackfield.sources.archives.label import sha256_of
    from jackfield.sources.archives.packing import pack as seal

    signing = SigningKey.read(key) if key is not None else None
    draft = draft_of(folder, wheels=wheels)
    label, data = seal(draft, signing)
    check_lock(draft)
    file = out or Path(f"{label.id}-{label.version}.jackfield")
    _write(file, data)
    told = {
        "file": str(file),
        "id": label.id,
        "version": label.version,
        "sha256": sha256_of(data),
        "bytes": len(data),
        "files": len(label.files),
        "permissions": label.permissions,
        "packages": [f"{one.name} {one.version}" for one in label.packages],
        "key": signing.public.fingerprint if signing is not None else None,
    }
    if as_json:
        print_json(told)
        return
    typer.echo(f"packed {file}: {label.id} {label.version}, {len(label.files)} files, {len(data)} bytes")
    typer.echo(f"SHA-256 {told['sha256']}")
    typer.echo(f"signed with the key {told['key']}" if signing else "not signed: gateways refuse it unless told not to")


@app.command()
def keys(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key is written; FILE.pub beside it.")],
    as_json: JsonOption = False,
) -> None:
    """Make a pair of keys to sign with. The private one is yours alone; operators trust the public one."""
    from jackfield.sources.archives.keys import SigningKey

    public = Path(f"{file}.pub")
    if public.exists():
        raise ConfigError("is there already", file=str(public))
    made = SigningKey.make()
    made.write(file)
    _write(public, f"{made.public.text}\n".encode())
    if as_json:
        print_json({"file": str(file), "public": made.public.text, "fingerprint": made.public.fingerprint})
        return
    typer.echo(f"made {file}: keep it to yourself")
    typer.echo(f"made {public}: operators write it into install.trusted_keys")
    typer.echo(made.public.text)


@catalogue.command("add")
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Packed plugins, below the index's folder.")],
    index: IndexOption,
    key: IndexKeyOption,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What a new index is called.")] = None,
    days: DaysOption = 90,
    as_json: JsonOption = False,
) -> None:
    """List packed plugins in an index, published now, and sign it."""
    from jackfield.cli.packing import list_files

    _renew(index, key, name, days, lambda known, now: list_files(known, files, index, now), as_json=as_json)


@catalogue.command("revoke")
def revoke(
    plugin: Annotated[str, typer.Argument(metavar="ID[@VERSION]", help="Without a version all of them.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What operators are told.")],
    index: IndexOption,
    key: IndexKeyOption,
    days: DaysOption = 90,
    as_json: JsonOption = False,
) -> None:
    """Have gateways neither install nor start a version any more."""
    from jackfield.cli.packing import revoke_version

    named = re.fullmatch(r"([^@]+)(?:@([^@]+))?", plugin)
    if named is None:
        raise typer.BadParameter(f"{plugin!r} is not ID or ID@VERSION", param_hint="'ID[@VERSION]'")
    _renew(
        index,
        key,
        None,
        days,
        lambda known, now: revoke_version(known, named[1], named[2], reason, now),
        as_json=as_json,
    )


def _renew(
    file: Path, key: Path, name: str | None, days: int, change: Callable[[Index, float], Index], *, as_json: bool
) -> None:
    from jackfield.cli.packing import check_index, open_index, renew
    from jackfield.sources.archives.catalogue import write_index
    from jackfield.sources.archives.keys import SigningKey

    signing, now = SigningKey.read(key), time.time()
    made = renew(change(open_index(file, signing, name), now), days, now)
    data = write_index(made, signing)
    # What no gateway would read is not written, and what is there stays.
    check_index(data, file, signing)
    _write(file, data)
    if as_json:
        print_json({"file": str(file), "sequence": made.sequence, "plugins": len(made.plugins)})
        return
    counts = f"{len(made.plugins)} versions, {len(made.revoked)} revoked"
    typer.echo(f"wrote {file}: number {made.sequence}, {counts}, until {made.expires_at:%Y-%m-%d}")


def _write(file: Path, data: bytes) -> None:
    """Whole, or not at all."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_bytes(data)
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ConfigError(error.strerror or str(error), file=str(file)) from error
