"""`@hook` refuses at once, in words, what could not work later."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from jackfield.sdk import POINTS, Plugin, hook
from jackfield.sdk.hooks import hooks_of


async def check(self: Any, exchange: Any) -> None: ...


async def check_chunk(self: Any, exchange: Any, event: Any) -> None: ...


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"point": "preflight"}, "hook: unknown point 'preflight'; one of ingress, auth, pre_flight, routing, attempt,"),
    ({"point": check}, "hook: unknown point <function check"),
    ({"point": "pre_flight"}, "hook pre_flight: state on_failure='open' or 'closed'"),
    ({"point": "response_body"}, "hook response_body: state on_failure='open' or 'closed'"),
    ({"point": "pre_flight", "on_failure": "close"}, "hook pre_flight: state on_failure='open' or 'closed'"),
    ({"point": "ingress", "on_failure": "open"}, "hook ingress: on_failure is always 'closed' here"),
    ({"point": "background", "on_failure": "closed"}, "hook background: on_failure is always 'open' here"),
    ({"point": "routing", "edits": True}, "hook routing: `edits` is for response_body"),
    ({"point": "auth", "replaces_record": True}, "hook auth: `replaces_record` is for background"),
    ({"point": "ingress", "hold": 5}, "hook ingress: `hold` is for response_chunk"),
    ({"point": "ingress", "look_behind": 5}, "hook ingress: `look_behind` is for response_chunk"),
    (
        {"point": "response_chunk", "on_failure": "open", "hold": -1},
        "hook response_chunk: `hold` must be a whole number from 0 on, not -1",
    ),
    (
        {"point": "response_chunk", "on_failure": "open", "look_behind": 1.5},
        "hook response_chunk: `look_behind` must be a whole number from 0 on, not 1.5",
    ),
    ({"point": "ingress", "timeout_ms": 0}, "hook ingress: `timeout_ms` must be a whole number from 1 on, not 0"),
    ({"point": "ingress", "timeout_ms": "5"}, "hook ingress: `timeout_ms` must be a whole number from 1 on, not '5'"),
    ({"point": "ingress", "priority": "high"}, "hook ingress: `priority` must be a whole number, not 'high'"),
    ({"point": "ingress", "before": "other"}, "hook ingress: `before` must be a tuple of names, not 'other'"),
    ({"point": "ingress", "after": ["other"]}, "hook ingress: `after` must be a tuple of names, not ['other']"),
    ({"point": "ingress", "operations": "chat"}, "hook ingress: `operations` must be a tuple of names, not 'chat'"),
    (
        {"point": "ingress", "operations": ("chats",)},
        "hook ingress: unknown operation 'chats'; one of chat, embeddings, count_tokens",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSALS)
def test_what_does_not_fit_the_point_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as refusal:
        hook(options.pop("point"), **options)(check)
    assert str(refusal.value).startswith(message)


def test_a_hook_must_be_async() -> None:
    def plain(self: Any, exchange: Any) -> None: ...

    async def generator(self: Any, exchange: Any) -> Any:
        yield

    for function in (plain, generator):
        with pytest.raises(TypeError, match=rf"^hook .*{function.__name__}: must be `async def`$"):
            hook("ingress")(function)  # type: ignore[type-var]


def test_a_hook_must_take_what_it_is_called_with() -> None:
    async def bare() -> None: ...

    async def needy(self: Any, exchange: Any, more: Any) -> None: ...

    for function in (bare, needy, check_chunk):
        with pytest.raises(TypeError, match=r"is called with \(self, exchange\)"):
            hook("ingress")(function)
    with pytest.raises(TypeError, match=r"is called with \(self, exchange, event\)"):
        hook("response_chunk", on_failure="open")(check)


def test_the_decorated_function_is_the_same() -> None:
    assert hook("ingress")(check) is check


class First(Plugin):
    @hook("pre_flight", on_failure="open", priority=7, before=("b",))
    async def second(self, exchange: Any) -> None: ...

    @hook("ingress")
    @hook("background", replaces_record=True)
    async def first(self, exchange: Any) -> None: ...


def test_a_class_tells_its_hooks_in_the_order_of_their_names() -> None:
    found = [(spec.name, spec.point) for spec in hooks_of(First)]
    assert found == [("first", "background"), ("first", "ingress"), ("second", "pre_flight")]


def test_a_spec_keeps_what_was_declared() -> None:
    background, ingress, pre_flight = hooks_of(First)
    assert background.replaces_record
    assert not ingress.replaces_record
    assert (pre_flight.priority, pre_flight.before, pre_flight.on_failure) == (7, ("b",), "open")
    assert (ingress.priority, ingress.timeout_ms, ingress.on_failure) == (None, None, "closed")


def test_hooks_are_inherited_and_can_be_replaced() -> None:
    class Second(First):
        @hook("pre_flight", on_failure="closed")
        async def second(self, exchange: Any) -> None: ...

    found = {spec.name: spec.on_failure for spec in hooks_of(Second) if spec.point == "pre_flight"}
    assert found == {"second": "closed"}


def test_a_hook_is_called_by_the_name_it_is_found_under() -> None:
    def wrap(function: Any) -> Any:
        async def wrapper(self: Any, exchange: Any) -> Any:
            return await function(self, exchange)

        return wrapper

    class Wrapped(Plugin):
        check = hook("ingress")(wrap(check))
        kept = functools.wraps(check)(wrap(check))

    assert sorted(spec.name for spec in hooks_of(Wrapped)) == ["check", "kept"]


def test_every_point_says_when_it_is_and_what_it_takes() -> None:
    for name, point in POINTS.items():
        assert point.name == name
        assert point.when.endswith(".")
        assert point.outcomes
        assert 0 < point.default_timeout_ms <= 10_000
