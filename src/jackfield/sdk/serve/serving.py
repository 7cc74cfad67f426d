"""The process of a provider: its command line, its socket, its manifest."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import uvicorn
import yaml

from jackfield.sdk.plugin import Plugin, id_of
from jackfield.sdk.serve.application import Application
from jackfield.sdk.serve.metadata import describe, port_of
from jackfield.settings import LogSettings
from jackfield.telemetry.logs import configure_logs

GRACE_S = 5
# Longer than hosts keep a connection that nobody uses.
KEEP_ALIVE_S = 75
WRONG_USAGE = 2
FAILED = 1
LEVELS = ("debug", "info", "warning", "error")
_SERVES = ("complete", "stream", "embed")


def serve(kind: type[Plugin[Any]], arguments: Sequence[str] | None = None) -> None:
    """Serves the class until the process is told to end. The command line says where: `--host`, `--port` (else the
    variable `PORT`, else a port made from the id; 0 for a free one), `--model` for models besides those of the class;
    `--manifest` prints a `plugin.yaml` instead."""
    started = [os.path.basename(sys.argv[0]) or "plugin.py"]
    _run(kind, _parser(positional=False).parse_args(arguments), started)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser(positional=True).parse_args(arguments)
    _run(_find_class(options.provider), options, ["-m", "jackfield.sdk.serve", options.provider])


def _parser(*, positional: bool) -> argparse.ArgumentParser:
    name = "python -m jackfield.sdk.serve" if positional else None
    parser = argparse.ArgumentParser(prog=name, description="Serve a provider class over HTTP.")
    if positional:
        parser.add_argument("provider", metavar="MODULE:CLASS", help="the class; the module alone where it has but one")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="0 for a free one; default $PORT, else one made from the id")
    parser.add_argument("--model", action="append", default=[], help="a model besides those that the class names")
    parser.add_argument("--manifest", action="store_true", help="print its plugin.yaml and end")
    return parser


def _find_class(text: str) -> type[Plugin[Any]]:
    module, _, name = text.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        _end(WRONG_USAGE, f"there is no module {module!r} in {Path.cwd()}")
    if not name:
        return _only_class(loaded, module)
    found = getattr(loaded, name, None)
    if not (inspect.isclass(found) and issubclass(found, Plugin)):
        _end(WRONG_USAGE, f"{module} has no subclass {name!r} of jackfield.sdk.Plugin")
    return found


def _only_class(loaded: Any, module: str) -> type[Plugin[Any]]:
    own = [
        kind
        for _, kind in inspect.getmembers(loaded, inspect.isclass)
        if issubclass(kind, Plugin) and kind.__module__ == loaded.__name__
    ]
    if len(own) != 1:
        names = ", ".join(kind.__name__ for kind in own) or "none"
        _end(WRONG_USAGE, f"{module} has not one plugin class but {names}: name it, as in {module}:Provider")
    return own[0]


def _run(kind: type[Plugin[Any]], options: argparse.Namespace, started: list[str]) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Plugin)):
        _end(WRONG_USAGE, f"{kind!r} is not a subclass of jackfield.sdk.Plugin")
    if not any(callable(getattr(kind, name, None)) for name in _SERVES):
        _end(WRONG_USAGE, f"{kind.__name__} serves no models: it has none of {', '.join(_SERVES)}")
    port = _choose_port(kind, options.port)
    if options.manifest:
        sys.stdout.write(write_manifest(kind, port or port_of(id_of(kind)), started))
        return
    configure_logs(LogSettings(level=_log_level()))
    application = Application(kind, models=options.model)
    _listen(application, options.host, port)


def _choose_port(kind: type[Plugin[Any]], given: int | None) -> int:
    if given is not None:
        return given
    told = os.environ.get("PORT", "")
    if told and not told.isdecimal():
        _end(WRONG_USAGE, f"the variable PORT is {told!r}, which is no port")
    return int(told) if told else port_of(id_of(kind))


def _log_level() -> Any:
    level = os.environ.get("LOG_LEVEL", "info").lower()
    if level not in LEVELS:
        _end(WRONG_USAGE, f"the variable LOG_LEVEL is {level!r}, which is none of {', '.join(LEVELS)}")
    return level


def write_manifest(kind: type[Plugin[Any]], port: int, started: Sequence[str]) -> str:
    """A `plugin.yaml` by which a host starts this class as it was started here."""
    manifest = {
        "type": "http",
        "endpoint": f"http://127.0.0.1:{port}",
        "metadata": describe(kind),
        "auto_start": True,
        "health_check_interval": 60,
        "command": "python3",
        "args": [*started, "--port", str(port)],
    }
    return str(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=120))


def _listen(application: Application, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        _end(FAILED, f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}")
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"listening on http://{shown}:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _end(code: int, message: str) -> NoReturn:
    sys.stderr.write(f"jackfield.sdk.serve: {message}\n")
    raise SystemExit(code)
