"""What JavaScript has beyond JSON, on its way to the host; both ends of the codec agree."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.runtimes.conftest import StartNode

from jackfield.errors import SessionDenied
from jackfield.runtimes.node import NodeSession

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SENT: dict[str, Any] = {
    "undefined": None,
    "{ a: undefined, b: [undefined] }": {"b": [None]},
    "[NaN, Infinity, -0]": [None, None, 0],
    "123456789012345678901234567890n": 123456789012345678901234567890,
    "5n": 5,
    "new Date(0)": EPOCH,
    "{ at: [new Date(0)] }": {"at": [EPOCH]},
    "new Date(NaN)": None,
    "new Map([['a', new Date(0)], ['b', new Set([1, 2])]])": {"a": EPOCH, "b": [1, 2]},
    "Buffer.from('hello').subarray(1, 3)": b"el",
    "new Uint8Array([1, 2]).buffer": b"\x01\x02",
    "new Uint8ClampedArray([1])": {"0": 1},
    "new Error('no rain')": {"name": "Error", "message": "no rain"},
    "new (class A { #hidden = 1; seen = 2; get got() { return 3 } })()": {"seen": 2},
    "{ toJSON: () => ({ mine: new Date(0) }) }": {"mine": EPOCH},
    "new URL('http://a/b')": "http://a/b",
    "Object.create(null)": {},
    "[, 1]": [None, 1],
    "'half \\ud800'": "half \ufffd",
    "{ '\\ud800': 1 }": {"\ufffd": 1},
    "{ $date: '1970' }": {"$date": "1970"},
    "{ $object: { $date: 1 } }": {"$object": {"$date": 1}},
    'JSON.parse(\'{"__proto__": {"x": 1}}\')': {"__proto__": {"x": 1}},
}
REFUSED = {
    "() => 1": "a function cannot be sent",
    "{ a: [Symbol('x')] }": "a symbol cannot be sent",
    "(() => { const a = []; a.push(a); return a })()": "nested deeper than 128",
    "new Map([[{}, 1]])": "a Map with a key that is a object cannot be sent",
    "new Date(8.64e15)": "a date in the year 275760 cannot be sent",
    "'x'.repeat(17e6)": "at most 16777216 are passed on",
}


@pytest.fixture
async def session(start_node: StartNode) -> NodeSession:
    return await start_node()


async def test_what_it_sends_arrives_as_what_it_means(session: NodeSession) -> None:
    for code, value in SENT.items():
        assert await session.call("run", f"return {code}", deadline_s=2) == value, code
        assert await session.call("run", f"return await rpc.call('echo', {code})", deadline_s=2) == value, code


async def test_what_it_cannot_send_is_named(session: NodeSession) -> None:
    for code, words in REFUSED.items():
        with pytest.raises(SessionDenied, match=words):
            await session.call("run", f"return {code}", deadline_s=5)
        with pytest.raises(SessionDenied, match=words):
            await session.call("run", f"return await rpc.call('echo', {code})", deadline_s=5)


async def test_what_it_gets_is_of_its_own_kind(session: NodeSession) -> None:
    code = """const [date, bytes, large] = await rpc.call('echo', [new Date(5), new Uint8Array([1, 2]), 2n ** 60n]);
      return [date instanceof Date && date.getTime(), bytes.constructor.name, bytes.byteOffset, bytes.length,
              bytes.buffer.byteLength, typeof large]"""
    assert await session.call("run", code, deadline_s=2) == [5, "Uint8Array", 0, 2, 2, "bigint"]


def made_up(source: random.Random, depth: int) -> Any:
    """Any value that both sides know."""
    kind = source.randrange(11 if depth else 7)
    if kind > 8:
        names = ("a", "$date", "$bytes", "$object", "$", "__proto__", "", "ü", "constructor")
        return {source.choice(names): made_up(source, depth - 1) for _ in range(source.randrange(3))}
    if kind > 6:
        return [made_up(source, depth - 1) for _ in range(source.randrange(4))]
    scalars = (
        None,
        source.random() < 0.5,
        source.randrange(-(2**60), 2**60),
        source.random() * 2**40,
        "".join(source.choices("ab$ü😀\n\0\u2028", k=source.randrange(9))),
        source.randbytes(source.randrange(9)),
        EPOCH + timedelta(milliseconds=source.randrange(2**41)),
    )
    return scalars[kind]


async def test_both_ends_of_the_codec_agree(session: NodeSession) -> None:
    source = random.Random(5)
    values = [made_up(source, 4) for _ in range(1000)]
    assert await session.call("echo", values, deadline_s=5) == values


async def test_an_error_of_the_host_is_a_plain_error_with_its_code(session: NodeSession) -> None:
    code = """try { await rpc.call('users:read') } catch (error) {
      return [error.constructor === Error, error.message, error.code] }"""
    message = "plugin weather does not have 'users:read' permission"
    assert await session.call("run", code, deadline_s=2) == [True, message, "forbidden"]


async def test_it_can_take_back_what_it_asked_for(session: NodeSession) -> None:
    code = """const controller = new AbortController();
      const asked = rpc.call('sleep', null, { signal: controller.signal });
      setTimeout(() => controller.abort(new Error('no longer')), 5);
      return await asked.catch((error) => error.message)"""
    assert await session.call("run", code, deadline_s=2) == "no longer"


async def test_it_knows_the_call_that_it_runs_in(session: NodeSession) -> None:
    code = """const own = rpc.current(); await new Promise((resolve) => setTimeout(resolve, 1));
      return [rpc.current() === own, typeof own, rpc.bind(() => rpc.current())()]"""
    assert await session.call("run", code, deadline_s=2) == [True, "number", None]


async def test_it_may_ask_so_much_at_once_and_no_more(session: NodeSession) -> None:
    code = """const asked = Array.from({ length: 1001 }, () => rpc.call('echo', 1).catch((error) => error.message));
      return (await Promise.all(asked)).at(-1)"""
    assert await session.call("run", code, deadline_s=5) == "1000 calls are under way already"


async def test_what_is_thrown_and_is_no_error_is_told_as_it_is(start_node: StartNode) -> None:
    session = await start_node()
    for thrown, told in (
        ("{ a: 1 }", "{ a: 1 }"),
        ("'text'", "text"),
        ("null", "null"),
        ("new TypeError()", "TypeError"),
    ):
        with pytest.raises(SessionDenied, match=f"^{re.escape(told)}$"):
            await session.call("run", f"throw {thrown}", deadline_s=5)


async def test_code_that_replaces_the_languages_own_json_is_spoken_with_all_the_same(start_node: StartNode) -> None:
    session = await start_node()
    await session.call("run", "JSON.stringify = () => 'forged'; JSON.parse = () => null", deadline_s=5)
    assert await session.call("echo", {"a": [1]}, deadline_s=5) == {"a": [1]}
