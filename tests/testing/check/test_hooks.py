"""Hooks that do not fit their point, told without running the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Look, Trips

FITTING = """
    @hook("pre_flight", on_failure="open", timeout_ms=30_000, operations=("chat",), before=("other",))
    async def check(self, exchange):
        return None

    @hook("response_chunk", on_failure="closed", hold=20, look_behind=5)
    async def redact(self, exchange, event, *, more=None, **rest):
        return None

    @hook("auth")
    @hook("background", priority=5)
    async def watch(self, *given):
        return None
"""


def test_hooks_that_fit_are_passed(trips: Trips) -> None:
    assert trips(FITTING) == []


@pytest.mark.parametrize(
    ("mark", "signature", "told"),
    [
        ('"preflight", on_failure="open"', "async def check(self, exchange)", "unknown point 'preflight'"),
        ('"pre_flight"', "async def check(self, exchange)", "state on_failure='open' or 'closed'"),
        ('"ingress", on_failure="open"', "async def check(self, exchange)", "on_failure is always 'closed' here"),
        ('"pre_flight", on_failure="open", hold=3', "async def check(self, exchange)", "`hold` is for response_chunk"),
        ('"auth", timeout_ms=0', "async def check(self, exchange)", "`timeout_ms` must be a whole number"),
        ('"auth", operations=("chats",)', "async def check(self, exchange)", "unknown operation 'chats'"),
        ('"auth", urgent=True', "async def check(self, exchange)", "unexpected keyword argument 'urgent'"),
        ('"auth", 5', "async def check(self, exchange)", "one option by position"),
        ('"auth"', "def check(self, exchange)", "must be `async def`"),
        ('"auth"', "async def check(self)", "is called with (self, exchange)"),
        ('"auth"', "async def check(self, exchange, event)", "is called with (self, exchange)"),
        ('"auth"', "async def check(self, exchange, *, key)", "is called with (self, exchange)"),
        ('"response_chunk", on_failure="open"', "async def check(self, exchange)", "(self, exchange, event)"),
    ],
)
def test_a_hook_that_does_not_fit_is_told_in_the_words_of_the_sdk(
    look: Look, mark: str, signature: str, told: str
) -> None:
    source = f"""
        from jackfield.sdk import Plugin, hook
        class Tried(Plugin):
            @hook({mark})
            {signature}:
                return None
    """
    (found,) = look({"tried/plugin.py": source}).findings
    assert (found.path, found.line, found.code, found.level) == ("tried/plugin.py", 4, "hook", "error")
    assert told in found.message
    assert found.message.startswith("Tried.check: ")


def test_a_method_that_bears_the_name_of_a_point_and_no_mark_is_never_called(trips: Trips) -> None:
    assert trips("async def pre_flight(self, exchange):\n    return None") == [(1, "hook")]
    assert trips("@hook('auth')\nasync def auth(self, exchange):\n    return None") == []
    assert trips("async def auth(self, x):\n    pass\ndef other(self):\n    return self.auth") == []
    assert (
        trips("async def pre_flight(self, exchange):\n    return None\ndef other(self):\n    self.pre_flight(1)") == []
    )


def test_a_deadline_longer_than_half_a_minute_is_told(trips: Trips) -> None:
    long = """
        @hook("background", timeout_ms=30_001)
        async def report(self, exchange):
            return None
    """
    assert trips(long) == [(2, "long-deadline")]


def test_nothing_of_the_plugin_is_run_to_try_a_signature(look: Look) -> None:
    source = """
        from jackfield.sdk import Plugin, hook
        class Tried(Plugin):
            @hook("auth")
            async def check(self, exchange, event=open("made", "w"), *more: open("made", "w")) -> open("made", "w"):
                return None
    """
    assert look({"tried/plugin.py": source}).findings == []
    assert not Path("made").exists()
