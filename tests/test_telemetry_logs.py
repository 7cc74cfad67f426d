"""One line an event, in JSON or for the console, whoever logs it."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from jackfield.settings import LogSettings
from jackfield.telemetry.logs import configure_logs
from jackfield.telemetry.masking import mask


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**before)


def log_json(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    event: dict[str, Any] = json.loads(line)
    return event


def test_json_is_one_line_an_event(stream: io.StringIO) -> None:
    configure_logs(LogSettings(format="json"), stream)
    structlog.get_logger("jackfield.test").info("a\nb", count=3, nested={"x": [1]})
    event = log_json(stream)
    assert {"event": "a\nb", "count": 3, "nested": {"x": [1]}, "level": "info"}.items() <= event.items()
    assert event["logger"] == "jackfield.test"
    assert event["timestamp"].endswith("Z")


def test_the_standard_librarys_logging_goes_the_same_way(stream: io.StringIO) -> None:
    configure_logs(LogSettings(format="json"), stream)
    logging.getLogger("some.library").warning("count %d", 3, extra={"where": "here", "color_message": "red"})
    event = log_json(stream)
    assert {"event": "count 3", "where": "here", "level": "warning"}.items() <= event.items()
    assert set(event) == {"event", "where", "level", "logger", "timestamp"}


def test_warnings_are_logged(stream: io.StringIO) -> None:
    configure_logs(LogSettings(format="json"), stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("careful", stacklevel=1)
        logging.captureWarnings(False)
    assert "careful" in log_json(stream)["event"]


def test_events_below_the_level_are_dropped(stream: io.StringIO) -> None:
    configure_logs(LogSettings(level="warning", format="json"), stream)
    structlog.get_logger("jackfield.test").info("quiet")
    logging.getLogger("some.library").info("quiet")
    assert stream.getvalue() == ""


def test_the_last_configuration_wins_for_loggers_in_use(stream: io.StringIO) -> None:
    log = structlog.get_logger("jackfield.in_use")
    configure_logs(LogSettings(format="json"), io.StringIO())
    log.info("first")
    configure_logs(LogSettings(format="json"), stream)
    log.info("second")
    assert log_json(stream)["event"] == "second"


def test_a_configuration_does_not_outlast_the_test_that_made_it(stream: io.StringIO) -> None:
    log, before = structlog.get_logger("jackfield.used_twice"), structlog.get_config()
    configure_logs(LogSettings(format="json"), stream)
    log.info("first")
    structlog.configure(**before)
    with capture_logs() as logs:
        log.info("second")
    assert [line["event"] for line in logs] == ["second"]


@pytest.mark.parametrize("format_", ["json", "console"])
def test_secrets_are_masked_in_fields_texts_and_exceptions(stream: io.StringIO, format_: Any) -> None:
    configure_logs(LogSettings(format=format_), stream)
    mask("registered-hidden")
    log = structlog.get_logger("jackfield.test")
    try:
        raise ValueError("Authorization: Bearer hidden-1 and registered-hidden")
    except ValueError:
        log.exception("sent sk-hidden-12345", authorization="hidden-2", headers=[(b"x-api-key", b"hidden-3")])
    written = stream.getvalue()
    assert "hidden" not in written
    assert "ValueError" in written
    assert "Traceback" in written


def test_on_the_console_only_events_begin_at_the_margin(stream: io.StringIO) -> None:
    configure_logs(LogSettings(format="console"), stream)
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        structlog.get_logger("jackfield.test").exception("one\ntwo", field="three\nfour")
    first, *rest = stream.getvalue().splitlines()
    assert "one\\ntwo" in first
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_auto_is_json_where_there_is_no_terminal(stream: io.StringIO) -> None:
    configure_logs(LogSettings(), stream)
    structlog.get_logger("jackfield.test").info("x")
    assert log_json(stream)["event"] == "x"


def test_the_servers_own_access_log_is_quiet(stream: io.StringIO) -> None:
    configure_logs(LogSettings(format="json"), stream)
    logging.getLogger("uvicorn.access").info("GET /")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("level", "told"), [("info", True), ("warning", False)])
def test_in_development_plugins_tell_what_is_for_their_authors(stream: io.StringIO, level: Any, *, told: bool) -> None:
    settings = LogSettings(format="json", level=level)
    configure_logs(settings, stream, development=True)
    structlog.get_logger("plugin").debug("for its author")
    structlog.get_logger("jackfield.test").debug("for us")
    assert ("for its author" in stream.getvalue(), "for us" in stream.getvalue()) == (told, False)
    configure_logs(settings, stream)
    structlog.get_logger("plugin").debug("in production")
    assert "in production" not in stream.getvalue()
