"""What goes wrong on one side comes out as itself on the other."""

from __future__ import annotations

import pytest
from tests.guests.places import NoRpc

from jackfield.clock import SystemClock
from jackfield.errors import (
    ConfigError,
    ConnectFailed,
    DeadlineExceeded,
    EgressRefused,
    JackfieldError,
    Malformed,
    ManifestError,
    RateLimited,
    SessionDenied,
    Unavailable,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from jackfield.guests.faults import as_raised, deny, own, read_failure, revive, write_failure
from jackfield.guests.services import Line
from jackfield.sdk.memory import TooManyMemories
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.sdk.services import NotGranted, QuotaExceeded
from jackfield.services.limits import OPERATIONS, OperationLimit


def sent(error: Exception) -> SessionDenied:
    """As the other side is told of it."""
    denied = deny(error)
    code = denied.code if isinstance(denied, JackfieldError) else type(denied).__name__
    return SessionDenied(str(denied), plugin="p", told=code)


@pytest.mark.parametrize(
    "error",
    [
        *(NotGranted("p", permission) for permission in PERMISSIONS),
        QuotaExceeded("plugin:p", "key", 1000, 10_000_000),
        TooManyMemories("ada", 10_000),
        ValueError("key: is empty"),
        EgressRefused("10.0.0.1 is no public address", sent=False),
        ConnectFailed("nobody there"),
        UpstreamTimeout("too late"),
        UpstreamBroken("no HTTP"),
        UpstreamError("something"),
        DeadlineExceeded("the storage did not answer"),
        Unavailable("no store"),
    ],
    ids=str,
)
def test_what_a_service_raises_the_guest_raises(error: Exception) -> None:
    revived = revive(sent(error), "p")
    assert (type(revived), str(revived)) == (type(error), str(error))
    if isinstance(error, NotGranted):
        assert isinstance(revived, NotGranted)
        assert (revived.plugin, revived.permission) == ("p", error.permission)


def test_a_limit_tells_when_the_next_operation_may_be() -> None:
    limit = OperationLimit("p", SystemClock())
    for _ in range(OPERATIONS):
        limit.take()
    with pytest.raises(RateLimited) as limited:
        limit.take()
    revived = revive(sent(limited.value), "p")
    assert isinstance(revived, RateLimited)
    assert revived.plugin == "p"
    assert revived.retry_after_s == pytest.approx(limited.value.retry_after_s, abs=0.06)


def test_what_nobody_promised_is_told_by_its_text() -> None:
    assert str(revive(sent(KeyError("x")), "p")) == "'x'"


def test_a_guest_checks_what_answers_at_once_by_what_was_granted() -> None:
    line = Line(NoRpc(), "p", frozenset({"events:emit"}))
    line.check("events:emit")
    with pytest.raises(NotGranted, match="events:subscribe"):
        line.check("events:subscribe")


@pytest.mark.parametrize(
    ("told", "message", "name", "text"),
    [
        ("ValueError", "boom", "ValueError", "boom"),
        ("MyOwnError", "boom", "MyOwnError", "boom"),
        ("plugin_failed", "boom", "SessionDenied", "boom"),
        ("no name", "boom", "SessionDenied", "boom"),
        (RateLimited.code, "the next one may be in 3 s", "RateLimited", "the next one may be in 3 s"),
        (EgressRefused.code, "not that host", "EgressRefused", "not that host"),
        ("X" * 1000, "boom", "SessionDenied", "boom"),
        (Malformed.code, "the body: none", "Malformed", "the body: none"),
        (ManifestError.code, "no plugin", "ManifestError", "no plugin"),
    ],
)
def test_what_a_guest_raises_keeps_its_name_and_words(told: str, message: str, name: str, text: str) -> None:
    raised = as_raised(SessionDenied(message, plugin="p", told=told))
    assert (type(raised).__name__, str(raised)) == (name, text)


def test_a_config_error_keeps_its_field() -> None:
    raised = as_raised(SessionDenied("plugins.config.p.most: too many", plugin="p", told=ConfigError.code))
    assert isinstance(raised, ConfigError)
    assert (raised.field, raised.message) == ("plugins.config.p.most", "plugins.config.p.most: too many")


def test_an_exit_is_an_error_of_its_name() -> None:
    assert type(own(SystemExit(3))).__name__ == "SystemExit"
    assert isinstance(own(KeyboardInterrupt()), Exception)
    assert own(error := ValueError()) is error


@pytest.mark.parametrize(
    "error",
    [
        UpstreamRejected(418, "a teapot", code="teapot", body=b"\xff", format="openai_chat", retry_after_s=2.5),
        UpstreamTimeout("late"),
        ConnectFailed("nobody"),
        UpstreamBroken("cut", sent=False),
        EgressRefused("private", sent=False),
        UpstreamError("what", retry_after_s=1),
    ],
    ids=str,
)
def test_a_failure_of_an_upstream_comes_out_whole(error: UpstreamError) -> None:
    revived = read_failure(write_failure(error))
    assert type(revived) is type(error)
    assert vars(revived) == vars(error)


@pytest.mark.parametrize(
    "told", [{}, {"failure": None}, {"failure": {"kind": "magic", "message": "x"}}, {"failure": []}]
)
def test_a_failure_that_is_none_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="its failure is not understood"):
        read_failure(told)
