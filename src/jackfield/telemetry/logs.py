"""One line an event, to one stream, secrets masked; the standard library's logging goes the same way."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from jackfield.settings import LogSettings, conceal
from jackfield.telemetry.masking import masked

Event = MutableMapping[str, Any]

# These speak of every request or of their own insides; the gateway has records and metrics for that.
_QUIET = ("uvicorn.access", "aiosqlite", "sqlalchemy", "alembic", "asyncio", "watchfiles")


def configure_logs(settings: LogSettings, stream: TextIO | None = None, *, development: bool = False) -> None:
    """May be called again: the last call wins, also for loggers that were already in use. In `development` plugins tell
    what is for their authors alone, unless less was asked for than is told by default."""
    stream = stream or sys.stderr
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MaskingFormatter(console, colors=console and stream.isatty()))
    handler.addFilter(_is_news)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, MaskingFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    talkative = development and settings.level == LogSettings().level
    logging.getLogger("plugin").setLevel(logging.DEBUG if talkative else logging.NOTSET)
    _hand_over_to_root(root.level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _is_news(record: logging.LogRecord) -> bool:
    """The pool reports each connection whose closing was interrupted, as it is when a task is cancelled while it reads;
    the connection is closed all the same."""
    error = record.exc_info[1] if record.exc_info else None
    return not (record.name.startswith("sqlalchemy.pool") and isinstance(error, asyncio.CancelledError))


def _hand_over_to_root(level: int) -> None:
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


@contextmanager
def information_held_back() -> Iterator[None]:
    """Within it only warnings and what is worse are written. What was informative follows when it ends well, and is
    dropped when it does not: a start that fails says only what is wrong."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler.formatter, MaskingFormatter)]
    held: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        held.append(record)
        return False

    for handler in handlers:
        handler.addFilter(hold)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(hold)
    for handler in handlers:
        for record in held:
            handler.handle(record)


class MaskingFormatter(structlog.stdlib.ProcessorFormatter):
    """Masks twice: values by their key before they are rendered, and the finished line whole."""

    def __init__(self, console: bool, *, colors: bool = False) -> None:
        renderer = _console_renderer(colors) if console else _json_renderer()
        shared: list[Any] = [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _conceal_values, *renderer]
        super().__init__(
            processors=[*shared, *last], foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _drop_repetitions]
        )

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def _json_renderer() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _console_renderer(colors: bool) -> list[Any]:
    """A traceback follows its event, indented: a line that begins at the margin is always a new event."""
    console = structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: Any, name: str, event: Event) -> str:
        return str(console(logger, name, event)).replace("\n", "\n    ")

    return [_escape_line_breaks, render]


def _escape_line_breaks(logger: Any, name: str, event: Event) -> Event:
    event["event"] = str(event.get("event", "")).replace("\r", "\\r").replace("\n", "\\n")
    return event


def _drop_repetitions(logger: Any, name: str, event: Event) -> Event:
    """What says the event again: `message` of other handlers, and uvicorn's in colour."""
    for key in ("message", "color_message"):
        event.pop(key, None)
    return event


def _conceal_values(logger: Any, name: str, event: Event) -> Event:
    """By the name of the key; `event` and what structlog itself put there keep their values."""
    for key, value in event.items():
        if key not in ("event", "exc_info"):
            event[key] = conceal(value, key)
    return event
