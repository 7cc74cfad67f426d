"""Whatever a plugin does wrong becomes one outcome by its policy: it is passed over, or refuses by its name."""

from __future__ import annotations

from typing import Any

import pytest

from .apis import Api, Stage

PRELUDE = """
import asyncio
import sys
import time

from jackfield.sdk import Continue, Drop, Plugin, Reject, Replace, hook


class Stop(KeyboardInterrupt):
    pass


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not even that")


def dive(depth):
    return dive(depth + 1) + 1

"""
HOOK = """
class Broken(Plugin):
    @hook("{point}", {policy}timeout_ms={timeout_ms})
    async def check(self, exchange, *given):
        {code}
"""

RAISING = {
    "an exception": "raise ValueError('no')",
    "SystemExit": "raise SystemExit(3)",
    "sys.exit": "sys.exit('bye')",
    "a KeyboardInterrupt": "raise Stop",
    "BaseException": "raise BaseException('all of it')",
    "CancelledError": "raise asyncio.CancelledError",
    "GeneratorExit": "raise GeneratorExit",
    "StopIteration": "raise StopIteration",
    "RecursionError": "dive(0)",
    "MemoryError": "raise MemoryError",
    "an exception that cannot be told": "raise Silent",
    "an exception after waiting": "await asyncio.sleep(0); raise ValueError('late')",
    "a group": "raise BaseExceptionGroup('two', [ValueError(), KeyboardInterrupt()])",
}
NONSENSE = {
    "a number": "return 42",
    "a class": "return Reject",
    "a wrong replacement": "return Replace({'model': 'x'})",
    "an outcome of another point": "return Drop()",
    "an impossible status": "return Reject(200, 'fine', 'not a refusal')",
}
HANGING = {
    "waits for ever": "await asyncio.Event().wait()",
    "swallows its cancellation": """
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                pass
    """.strip(),
}
POINTS = {
    "ingress": "closed",
    "auth": "closed",
    "routing": "closed",
    "attempt": "closed",
    "pre_flight": "stated",
    "response_head": "stated",
    "response_body": "stated",
    "background": "open",
}

policies = pytest.mark.parametrize("policy", ["open", "closed"])
one_api = pytest.mark.parametrize("api", [Api("openai")], ids=["openai"])


def write_plugin(code: str, policy: str | None, *, point: str = "pre_flight", timeout_ms: int = 200) -> dict[str, str]:
    stated = f'on_failure="{policy}", ' if policy else ""
    source = HOOK.format(point=point, policy=stated, timeout_ms=timeout_ms, code=code)
    return {"broken": PRELUDE + source}


async def check_outcome(stage: Stage, policy: str, status: int, code: str) -> None:
    """An open hook is passed over; a closed one refuses, and the upstream is never asked."""
    called = await stage.ask()
    record = await stage.record_of(called)
    if policy == "open":
        assert stage.api.text_of(called) == "You said: Hello"
        assert (record["status"], record["plugin"]) == (200, None)
    else:
        assert "broken" in stage.api.check_error(called, status, code, plugin="broken")
        assert (record["status"], record["error"], record["plugin"]) == (status, code, "broken")
        assert stage.upstream.requests == []


@one_api
@policies
@pytest.mark.parametrize("code", RAISING.values(), ids=RAISING)
async def test_a_plugin_that_raises(open_stage: Any, policy: str, code: str) -> None:
    stage = await open_stage(plugins=write_plugin(code, policy))
    await check_outcome(stage, policy, 502, "plugin_failed")

    stats = (await stage.gateway.plugin("broken"))["stats"]
    assert (stats["calls"], stats["errors"], stats["timeouts"]) == (1, 1, 0)
    assert stats["last_error"].startswith("check: ")


@policies
async def test_a_plugin_that_raises_in_either_api(open_stage: Any, policy: str) -> None:
    await check_outcome(
        await open_stage(plugins=write_plugin("raise ValueError", policy)), policy, 502, "plugin_failed"
    )


@one_api
@policies
@pytest.mark.parametrize("code", NONSENSE.values(), ids=NONSENSE)
async def test_a_plugin_that_answers_nonsense(open_stage: Any, policy: str, code: str) -> None:
    stage = await open_stage(plugins=write_plugin(code, policy))
    await check_outcome(stage, policy, 502, "plugin_failed")

    assert (await stage.gateway.plugin("broken"))["stats"]["errors"] == 1


@policies
@pytest.mark.parametrize("code", HANGING.values(), ids=HANGING)
async def test_a_plugin_that_hangs(open_stage: Any, policy: str, code: str) -> None:
    stage = await open_stage(plugins=write_plugin(code, policy, timeout_ms=100))
    await check_outcome(stage, policy, 504, "plugin_timeout")

    stats = (await stage.gateway.plugin("broken"))["stats"]
    assert (stats["errors"], stats["timeouts"]) == (1, 1)
    assert "100 ms" in stats["last_error"]


@one_api
@policies
async def test_a_plugin_that_blocks_the_loop_is_reported(
    open_stage: Any, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "await asyncio.sleep(0); time.sleep(0.15)"
    stage = await open_stage(plugins=write_plugin(code, policy, timeout_ms=1000))
    called = await stage.ask()

    assert called.status == 200
    stats = (await stage.gateway.plugin("broken"))["stats"]
    assert (stats["blocked_loop"], stats["errors"]) == (1, 0)
    assert stats["loop_ms"] >= 150
    told = next(line for line in capsys.readouterr().out.splitlines() if "hook_blocked_loop" in line)
    assert "plugin=broken" in told
    assert "seconds=0.1" in told


@one_api
@policies
async def test_a_plugin_that_blocks_beyond_its_deadline_fails_by_it(open_stage: Any, policy: str) -> None:
    stage = await open_stage(plugins=write_plugin("time.sleep(0.15)", policy, timeout_ms=100))
    await check_outcome(stage, policy, 504, "plugin_timeout")


MUTATING = """
for change in (
            lambda: setattr(exchange.request, "model", "stolen"),
            lambda: exchange.request.messages.append("x"),
            lambda: exchange.request.extra.update(seed=1),
            lambda: exchange.request.extra.clear(),
            lambda: exchange.request.messages[0].extra.update(name="x"),
            lambda: setattr(exchange.request.messages[0].parts[0], "text", "stolen"),
            lambda: exchange.request.tools[0].schema().update(type="stolen"),
            lambda: setattr(exchange, "model", "stolen"),
            lambda: setattr(exchange.inbound, "body", b"stolen"),
        ):
            try:
                change()
            except Exception:
                pass
        raise ValueError("after all that")
""".strip()


@pytest.mark.parametrize("policy", ["open"])
async def test_what_a_failed_plugin_changed_is_undone(open_stage: Any, api: Api, provider: str, policy: str) -> None:
    tool = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
    if api.name == "openai":
        tool = {"type": "function", "function": {"name": "get_time", "parameters": tool["input_schema"]}}
    fields: dict[str, Any] = {"tools": [tool], "service_tier": "auto", "top_p": 0.5}
    plain = await open_stage(provider)
    broken = await open_stage(provider, plugins=write_plugin(MUTATING, policy))
    wanted = await plain.ask("Hello", **fields)
    called = await broken.ask("Hello", **fields)

    assert (wanted.status, called.status) == (200, 200)
    first, second = broken.upstream.requests
    assert second.json == first.json


@one_api
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_plugin_that_raises_at_any_point(open_stage: Any, point: str, stream: bool) -> None:
    fixed = POINTS[point]
    for policy in ("open", "closed") if fixed == "stated" else (fixed,):
        stated = policy if fixed == "stated" else None
        stage = await open_stage(plugins=write_plugin("raise ValueError('no')", stated, point=point))
        called = await stage.ask(stream=stream)
        record = await stage.record_of(called)
        observed = stream and point == "response_body"
        if policy == "open" or observed:
            assert (called.status, record["status"]) == (200, 200)
            assert called.complete
        else:
            assert "broken" in stage.api.check_error(called, 502, "plugin_failed", plugin="broken")
            assert (record["status"], record["plugin"]) == (502, "broken")
        assert (await stage.gateway.plugin("broken"))["stats"]["errors"] == 1


@policies
async def test_a_plugin_that_raises_on_a_stream_event(open_stage: Any, policy: str) -> None:
    code = "if exchange.behind: raise ValueError('no')"
    plugin = write_plugin(code, policy, point="response_chunk")
    plugin["broken"] = plugin["broken"].replace("timeout_ms=", "look_behind=100, timeout_ms=")
    stage = await open_stage(plugins=plugin)
    called = await stage.ask("one two three", stream=True)
    record = await stage.record_of(called)

    assert (called.status, called.complete) == (200, True)
    if policy == "open":
        assert stage.api.streamed_text(called) == "You said: one two three"
        assert record["error"] is None
    else:
        assert "broken" in stage.api.check_stream_error(called)
        assert stage.api.streamed_text(called) == "You"
        assert (record["error"], record["plugin"]) == ("plugin_failed", "broken")
        await stage.upstream.idle()


@policies
async def test_a_plugin_that_keeps_failing_is_quarantined_and_a_closed_one_stays_closed(
    open_stage: Any, policy: str
) -> None:
    stage = await open_stage(plugins=write_plugin("raise ValueError", policy))
    answers = [await stage.ask() for _ in range(7)]

    plugin = await stage.gateway.plugin("broken")
    assert plugin["state"] == "quarantined"
    assert plugin["stats"]["calls"] == 5
    if policy == "open":
        assert {called.status for called in answers} == {200}
    else:
        assert [called.status for called in answers] == [502] * 5 + [503] * 2
        message = stage.api.check_error(answers[-1], 503, "plugin_quarantined", plugin="broken")
        assert "quarantined" in message
        assert int(answers[-1].headers["retry-after"]) > 0


LOADING = {
    "a syntax error": "def broken(:",
    "an import that is missing": "import no_such_module_at_all",
    "exiting on import": "import sys; sys.exit(1)",
    "no plugin in it": "answer = 42",
    "a hook of no known point": PRELUDE + HOOK.format(point="nowhere", policy="", timeout_ms=1, code="return None"),
    "no stated policy": PRELUDE + HOOK.format(point="pre_flight", policy="", timeout_ms=1, code="return None"),
    "a start that fails": PRELUDE
    + "class Broken(Plugin):\n    async def on_load(self):\n        raise OSError('no')\n",
    "a start that exits": PRELUDE + "class Broken(Plugin):\n    async def on_load(self):\n        sys.exit(1)\n",
}


@one_api
@pytest.mark.parametrize("source", LOADING.values(), ids=LOADING)
async def test_a_plugin_that_cannot_be_loaded_harms_no_other(open_stage: Any, source: str) -> None:
    counting = PRELUDE + HOOK.format(
        point="pre_flight", policy='on_failure="open", ', timeout_ms=200, code="return None"
    )
    counting = counting.replace("class Broken", "class Counting")
    stage = await open_stage(plugins={"broken": source, "counting": counting})
    called = await stage.ask()

    assert called.status == 200
    broken = await stage.gateway.plugin("broken")
    assert broken["state"] == "failed"
    assert broken["reason"]
    assert (await stage.gateway.plugin("counting"))["stats"]["calls"] == 1
