"""`jackfield plugin run|test`: trying a plugin without a gateway."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield.cli.options import JsonOption
from jackfield.cli.plugin import app
from jackfield.errors import ConfigError

if TYPE_CHECKING:
    from jackfield.testing.host import FakeHost
    from jackfield.testing.own_tests import OwnTests
    from jackfield.testing.target import Target
    from jackfield.testing.trial import Trial

CHAT = "/v1/chat/completions"
FAILED = 1
# pytest's own code for arguments that it does not take.
USAGE, WRONG_USAGE = 4, 2

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
    ] = CHAT,
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

    body, headers = read_body(request, route, stream=stream), read_headers(header or [])
    host = FakeHost(path, name=name, config=read_config(config or []), answer=answer)
    trial = asyncio.run(_try(host, body, route, headers))
    if as_json:
        print_json(trial.as_json())
    else:
        print_trial(host, route, trial)


async def _try(host: FakeHost, body: bytes, path: str, headers: dict[str, str]) -> Trial:
    from jackfield.host.loader import PluginBroke

    try:
        with errors_alone():
            async with host:
                return await host.request(body, path=path, headers=headers)
    except PluginBroke as error:
        raise ConfigError(str(error), plugin=host.id) from error


@app.command("test", context_settings={"allow_extra_args": True})
def run_tests(
    context: typer.Context,
    path: PathArgument,
    chaos: Annotated[bool, typer.Option("--chaos", help="Break it on purpose, one fault at a time.")] = False,
    request: RequestOption = None,
    header: HeaderOption = None,
    route: Annotated[
        str | None, typer.Option("--path", metavar="PATH", help="Where the request goes that it is broken with.")
    ] = None,
    config: ConfigOption = None,
    seed: Annotated[int, typer.Option(metavar="N", help="What chance begins with in each exchange of --chaos.")] = 0,
    name: NameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a plugin's own tests; what follows `--` is for pytest or node. With --chaos also see whether its failure
    policies hold."""
    from jackfield.cli.trial_input import read_body, read_config, read_headers
    from jackfield.testing.check import find_subjects
    from jackfield.testing.fixtures import SUBJECT
    from jackfield.testing.own_tests import find_tests
    from jackfield.testing.subject import refuse_unbreakable
    from jackfield.testing.target import Target

    find_subjects(path)
    if chaos:
        refuse_unbreakable(path, name)
    tests = find_tests(path)
    if tests is None and not chaos:
        raise ConfigError("has no tests: there is no test_*.py and no *.test.js in it or beside it", file=str(path))
    environ = {SUBJECT: str(path.resolve())}
    if tests is not None and (code := tests.run(*context.args, environ=environ, quiet=chaos and as_json)):
        if chaos:
            raise ConfigError("its own tests fail as they are: chaos begins once they pass", file=str(path))
        raise typer.Exit(WRONG_USAGE if tests.runner == "pytest" and code == USAGE else FAILED)
    if not chaos:
        return
    how = {"headers": read_headers(header or []), "path": route}
    given = "hello" if request is None else json.loads(read_body(request, route or CHAT, stream=False))
    target = Target(subject=path, name=name, config=read_config(config or []), given=given, how=how, seed=seed)
    _break(target, tests, context.args, environ, as_json=as_json)


def _break(
    target: Target, tests: OwnTests | None, arguments: list[str], environ: dict[str, str], *, as_json: bool
) -> None:
    from jackfield.cli.chaos_report import as_json as report_as_json
    from jackfield.cli.chaos_report import print_chaos
    from jackfield.cli.output import print_json
    from jackfield.host.loader import PluginBroke
    from jackfield.testing.chaos import run_chaos
    from jackfield.testing.chaos_tests import break_tests

    try:
        with errors_alone():
            chaos = run_chaos(target)
    except PluginBroke as error:
        raise ConfigError(str(error), file=str(target.subject)) from error
    lines = break_tests(chaos, tests, arguments, environ) if tests is not None and tests.runner == "pytest" else []
    if as_json:
        print_json(report_as_json(chaos, lines))
    else:
        print_chaos(chaos, lines)
    if not chaos.holds or any(line.told for line in lines):
        raise typer.Exit(FAILED)


@contextmanager
def errors_alone() -> Iterator[None]:
    """Logs on stderr, and only errors: what goes wrong in a trial is part of its report."""
    import logging

    import structlog

    known, disabled = structlog.get_config(), logging.root.manager.disable
    logging.disable(logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**known)
        logging.disable(disabled)
