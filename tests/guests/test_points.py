"""Every hook point, in process and isolated: what a hook is shown, and what becomes of what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.guests.places import PLACES, SIDES, host_plugin

from jackfield.errors import UpstreamRejected
from jackfield.testing.host import FakeHost
from jackfield.testing.trial import Trial
from jackfield.wire.chat import Finish, StreamEnd, StreamStart, TextDelta

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=dict.fromkeys((*PLACES, *SIDES)))
async def points(request: pytest.FixtureRequest) -> AsyncIterator[FakeHost]:
    async with host_plugin(request.param, "points", upstreams=("first", "second")) as host:
        yield host


@pytest.fixture(autouse=True)
def out_of_quarantine(points: FakeHost) -> None:
    """What a test did wrong on purpose is no other's."""
    points.clock.advance(120)
    points.guard.breaker.success()


async def do(points: FakeHost, what: str = "", given: Any = "hello", **how: Any) -> Trial:
    headers = {"x-do": what, "cookie": "crumbs", **how.pop("headers", {})}
    return await points.request(given, headers=headers, key="jf-trial-0123456789", **how)


def told(trial: Trial) -> tuple[int, str, str]:
    assert trial.error is not None
    return trial.error.status, trial.error.code, trial.error.message


async def test_its_hooks_are_bound_as_their_author_wrote_them(points: FakeHost) -> None:
    bound = {hook.point.name: hook for hook in points.hooks}
    assert len(bound) == 9
    pre_flight = bound["pre_flight"]
    assert (pre_flight.name, pre_flight.priority, pre_flight.deadline_s, pre_flight.closed) == (
        "on_pre_flight", 7, 0.4, True,
    )  # fmt: skip
    assert (bound["response_chunk"].spec.hold, bound["response_chunk"].spec.look_behind) == (6, 10)
    assert not bound["response_body"].closed


async def test_an_exchange_passes_all_of_them_and_is_counted(points: FakeHost) -> None:
    before = points.stats["calls"]
    trial = await do(points)
    assert (trial.status, trial.text) == (200, "hello")
    assert [point for point, _, outcome in trial.outcomes if outcome == "passed"] == [
        "ingress", "auth", "pre_flight", "routing", "attempt", "response_head", "response_body", "background",
    ]  # fmt: skip
    assert points.stats["calls"] - before == 8


async def test_its_own_state_goes_from_point_to_point(points: FakeHost) -> None:
    await do(points)
    last = await points.plugin.services.kv.get("last")
    assert last["points"] == [
        "ingress", "auth", "pre_flight", "routing", "attempt", "response_head", "response_body", "background",
    ]  # fmt: skip
    assert (last["timed"], last["decided_by"], last["tries"]) == (True, None, [200])
    assert last["ended"] == [200, None]
    assert last["tried"]


async def test_why_an_exchange_ended_is_told_in_the_background(points: FakeHost) -> None:
    await do(points, "pre_flight=reject")
    last = await points.plugin.services.kv.get("last")
    assert (last["ended"], last["decided_by"]) == ([429, "slow_down"], "points")


async def test_the_request_may_be_replaced_as_it_came_in(points: FakeHost) -> None:
    trial = await do(points, "ingress=replace")
    assert trial.text == "greetings"


async def test_credentials_are_seen_at_ingress_only(points: FakeHost) -> None:
    assert told(await do(points, "ingress=credential")) == (418, "seen", "Bearer jf-trial-0123456789")


async def test_it_may_say_who_calls(points: FakeHost) -> None:
    trial = await do(points, "auth=identity,pre_flight=caller", model="m")
    assert told(trial) == (400, "caller", "('ann', 'shop', 'k1', 'inference', {'tier': 'gold'}) True None")


async def test_who_calls_is_known_without_asking(points: FakeHost) -> None:
    trial = await do(points, "pre_flight=caller", headers={"x-jackfield-user": "bob"})
    assert told(trial)[2] == "('trial/bob', 'trial', 'key_trial', 'inference', {}) True None"


async def test_it_may_reject(points: FakeHost) -> None:
    trial = await do(points, "pre_flight=reject")
    assert told(trial) == (429, "slow_down", "Too fast.")
    assert trial.headers["retry-after"] == "3"
    assert trial.error is not None
    assert trial.error.plugin == "points"


async def test_it_may_answer_by_itself(points: FakeHost) -> None:
    trial = await do(points, "pre_flight=answer", model="m")
    assert (trial.text, trial.sent) == ("cached for m", ())


async def test_it_may_replace_the_request_and_later_hooks_see_that(points: FakeHost) -> None:
    trial = await do(points, "pre_flight=replace", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    assert trial.text == "hi, twice"


async def test_it_sees_what_the_client_sent_in_whatever_format(points: FakeHost) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "user_tier": 5}
    trial = await do(points, "pre_flight=shape", body)
    assert told(trial)[2].startswith("('chat', 'POST /v1/chat/completions', 'openai_chat', False, False)")
    assert "user_tier" in told(trial)[2]
    trial = await do(points, "pre_flight=shape", api="anthropic", stream=True)
    assert told(trial)[2].startswith("('chat', 'POST /v1/messages', 'anthropic_messages', True, False)")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raise", "ValueError: no such city"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt: "),
        ("recurse", "RecursionError: maximum recursion depth exceeded"),
        ("evil", "Evil"),
        ("nonsense", "TypeError: answered int"),
        ("unsound", "TypeError: replaced with Head"),
    ],
)
async def test_whatever_it_does_wrong_is_its_own_failure(points: FakeHost, what: str, reason: str) -> None:
    trial = await do(points, f"pre_flight={what}")
    assert (told(trial)[:2], trial.error and trial.error.plugin) == ((502, "plugin_failed"), "points")
    assert points.stats["last_error"].startswith(f"on_pre_flight: {reason}") or reason in points.stats["last_error"]
    assert (await do(points)).status == 200


async def test_its_deadline_is_kept_by_the_host(points: FakeHost) -> None:
    trial = await do(points, "pre_flight=wait")
    assert told(trial)[:2] == (504, "plugin_timeout")
    assert (await do(points)).status == 200


async def test_a_body_that_is_none_is_the_clients_fault(points: FakeHost) -> None:
    errors = points.stats["errors"]
    trial = await do(points, "pre_flight=shape", b'{"model": "m", "messages": 5}')
    assert told(trial)[0] == 400
    assert points.stats["errors"] == errors


async def test_candidates_are_told_and_may_be_put_in_another_order(points: FakeHost) -> None:
    assert told(await do(points, "routing=tell"))[2] == "first,second"
    trial = await do(points, "routing=second")
    assert trial.headers["x-jackfield-upstream"] == "second"


async def test_what_is_sent_may_be_changed(points: FakeHost) -> None:
    trial = await do(points, "attempt=replace")
    assert trial.sent[0].headers["x-added"] == "yes"


async def test_the_head_may_be_changed(points: FakeHost) -> None:
    assert (await do(points, "response_head=replace")).headers["x-told"] == "200 1"


async def test_the_answer_may_be_changed_or_withheld(points: FakeHost) -> None:
    assert (await do(points, "response_body=upper")).text == "HELLO"
    assert told(await do(points, "response_body=reject")) == (451, "withheld", "ChatResponse stop")


async def test_it_is_shown_an_error_in_the_place_of_an_answer(points: FakeHost) -> None:
    refusing = UpstreamRejected(400, "no", code="bad")
    trial = await do(points, "response_body=reject", answer=refusing)
    assert told(trial)[2].startswith("ErrorResponse")


def events(*texts: str) -> list[Any]:
    deltas = [TextDelta(text=text) for text in texts]
    return [StreamStart(id="s", model="m"), *deltas, Finish(reason="stop"), StreamEnd()]


@pytest.mark.parametrize(
    ("what", "texts", "seen"),
    [
        ("mask", ("my se", "cret is", " out"), "my ****** is out"),
        ("double", ("ab",), "abab"),
        ("drop", ("aaaaaaaa", "bbbbbbbb", "cccccccc"), None),
        ("none", ("one ", "two ", "three"), "one two three"),
    ],
)
async def test_pieces_of_a_stream_may_be_changed(
    points: FakeHost, what: str, texts: tuple[str, ...], seen: str | None
) -> None:
    trial = await do(points, f"response_chunk={what}", stream=True, answer=events(*texts))
    assert trial.text == seen if seen is not None else "b" not in trial.text


async def test_a_stream_may_be_cut_for_what_was_sent_before(points: FakeHost) -> None:
    trial = await do(points, "response_chunk=behind", stream=True, answer=events("please do ", "stop it", " now"))
    assert trial.error is not None
    assert trial.error.code == "cut"


async def test_embeddings_and_counts_pass_too(points: FakeHost) -> None:
    trial = await points.request({"model": "m", "input": "hi"}, path="/v1/embeddings", headers={"x-do": ""})
    assert trial.status == 200
    assert msgspec.json.decode(trial.body)["data"]
