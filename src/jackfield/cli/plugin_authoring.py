"""`jackfield plugin new|check`: writing a plugin, before any gateway runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.options import JsonOption
from jackfield.cli.plugin import app

if TYPE_CHECKING:
    from jackfield.testing.check import Report, Subject
    from jackfield.testing.check.live import Verdict

FAILED = 1

_Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The config file, default ./jackfield.toml; or a .json file that is a provider's own config.",
    ),
]


class Kind(StrEnum):
    NATIVE = "native"
    RING = "ring"
    FACTORY = "factory"
    TOOLBOX = "toolbox"
    PROVIDER = "provider"


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="native, ring, factory, toolbox or provider.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id, and the name of its folder.")],
    into: Annotated[
        Path, typer.Option("--into", metavar="DIR", help="Where the folder is made; default the current folder.")
    ] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Make the folder of a new plugin that works, with its manifest, tests and README."""
    from jackfield.cli.output import print_json
    from jackfield.testing.scaffolds import render, write
    from jackfield.testing.scaffolds.names import Names

    folder = write(kind.value, name, into)
    files = sorted(render(kind.value, Names.of(kind.value, name)))
    if as_json:
        print_json({"folder": str(folder), "kind": kind.value, "files": files})
        return
    typer.echo(f"made {folder}")
    for file in files:
        typer.echo(f"  {file}")
    tests = "node --test" if kind is Kind.TOOLBOX else "python -m pytest"
    typer.echo(f"next: cd {folder} && {tests}")


@app.command()
def check(
    places: Annotated[
        list[str],
        typer.Argument(metavar="PATH|ID|URL...", help="Plugins, folders of plugins, or addresses of providers."),
    ],
    no_import: Annotated[
        bool, typer.Option("--no-import", help="Run nothing of them, and tell what could not be told so.")
    ] = False,
    config: _Config = None,
    as_json: JsonOption = False,
) -> None:
    """Look a plugin over before it is put into service: manifest, hooks, permissions, and how its code waits.

    A provider over HTTP, by its address or by its own folder, is talked to as a host would; where it does not run, its
    command is started and ended. One line for each finding. Exit code 1 where one of them is an error.
    """
    from jackfield.cli.output import print_json
    from jackfield.cli.provider_check import check_live
    from jackfield.testing.check import check as check_all

    found = {place: _find(place, config) for place in places}
    report = check_all(found.values(), run=not no_import)
    verdicts: list[Verdict] = []
    for place, subjects in found.items() if not no_import else ():
        told, started = check_live(place, subjects, config)
        verdicts += told
        report.ran += [started] if started else []
    if as_json:
        print_json(_as_json(report, verdicts))
    else:
        _print(report, verdicts)
    if report.failed or any(verdict.level == "error" for verdict in verdicts):
        raise typer.Exit(FAILED)


def _find(place: str, config: Path | None) -> list[Subject]:
    """A path where there is such a file or folder, else an id; nothing for an address."""
    from jackfield.cli.provider_check import is_address
    from jackfield.testing.check import find_subjects
    from jackfield.testing.check.registry import find_by_id

    if is_address(place):
        return []
    path = Path(place)
    if path.exists() or "/" in place:
        return find_subjects(path)
    return find_by_id(place, _plugin_folders(config))


def _plugin_folders(config: Path | None) -> tuple[Path, ...]:
    """As far as they can be told: a config that lacks an upstream's key is no reason not to look at a plugin."""
    import os

    from jackfield.cli.options import find_config
    from jackfield.settings import inspect

    settings, _ = inspect(find_config(config), {}, os.environ)
    return tuple(settings.plugins.dirs) if settings is not None else (Path("plugins"),)


def _print(report: Report, verdicts: list[Verdict]) -> None:
    """Findings on stdout, one a line; what was done to find them on stderr."""
    _tell("run to check it: ", report.ran)
    _tell("not checked without running it: ", report.unread)
    for found in [*report.findings, *verdicts]:
        typer.echo(str(found))
    if report.plugins and not report.findings and all(verdict.level == "ok" for verdict in verdicts):
        typer.echo(f"nothing found in {', '.join(report.plugins)}")


def _tell(heading: str, lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(f"{heading}{line}\n")


def _as_json(report: Report, verdicts: list[Verdict]) -> dict[str, object]:
    import msgspec

    return {
        "plugins": report.plugins,
        "findings": msgspec.to_builtins(report.findings),
        "live": msgspec.to_builtins(verdicts),
        "ran": report.ran,
        "not_checked": report.unread,
    }
