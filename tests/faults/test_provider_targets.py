"""A provider over HTTP that cannot say where a request goes is as good as an upstream that cannot be reached: another
takes over."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import Any

import pytest

from jackfield.testing import Upstream

PROVIDER = """
from jackfield.sdk import Plugin, Target
from jackfield.errors import UpstreamRejected

class Speechless(BaseException):
    def __str__(self):
        raise ValueError("not even that")

class Own(Plugin):
    id = "own"
    formats = {"chat": "openai_chat"}
    forwards = frozenset()

    def target(self, upstream, operation, model):
{body}
"""
FAULTS = {
    "raises": "raise ValueError('no')",
    "exits": "raise SystemExit(3)",
    "raises what has no words": "raise Speechless",
    "gives nothing": "return None",
    "gives a bare URL": "return 'http://127.0.0.1:1/v1'",
    "gives no text as URL": "return Target(url=7)",
    "gives no URL": "return Target(url='nowhere')",
    "gives a URL of another kind": "return Target(url='ftp://127.0.0.1/v1')",
    "gives no headers": "return Target(url='http://127.0.0.1:1/v1', headers=None)",
    "gives headers in text": "return Target(url='http://127.0.0.1:1/v1', headers=(('a', 'b'),))",
    "gives half a header": "return Target(url='http://127.0.0.1:1/v1', headers=((b'a',),))",
    "gives two headers in one": "return Target(url='http://127.0.0.1:1/v1', headers=((b'a', b'b\\r\\nc: d'),))",
    "gives a credential in text": "return Target(url='http://127.0.0.1:1/v1', credential=('a', '{}'))",
}
OWN = {"name": "own", "provider": "own", "models": ["m"], "max_retries": 0, "priority": 0}
ECHO = {"name": "spare", "provider": "echo", "models": ["m"], "priority": 1}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def provider(fault: str) -> dict[str, str]:
    return {"own": PROVIDER.replace("{body}", indent(fault, " " * 8))}


@every_fault
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_another_upstream_takes_over(start_gateway: Callable[..., Any], fault: str, stream: bool) -> None:
    gateway = await start_gateway(upstreams=[OWN, ECHO], plugins=provider(fault))
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", CHAT | {"stream": stream})
    assert (called.status, called.headers["x-jackfield-upstream"]) == (200, "spare")
    record = await gateway.record()
    assert (record["status"], record["error"], record["attempts"]) == (200, None, 2)


@every_fault
async def test_where_there_is_no_other_the_upstream_is_named(start_gateway: Callable[..., Any], fault: str) -> None:
    gateway = await start_gateway(upstreams=[OWN], plugins=provider(fault))
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", CHAT)
    assert called.status == 502
    assert "upstream own" in called.json["error"]["message"]
    assert (await gateway.record())["error"] in ("upstream_broken", "egress_refused")


async def test_no_provider_is_passed_the_credential_of_a_client(
    start_gateway: Callable[..., Any], upstream: Upstream
) -> None:
    """Whatever it says that it forwards, and where no hook is there for whom credentials would be taken out."""
    target = f"return Target(url={f'{upstream.openai_url}/chat/completions'!r})"
    forwards = provider(target)["own"].replace("frozenset()", "frozenset({b'authorization', b'x-own'})")
    gateway = await start_gateway(upstreams=[OWN], plugins={"own": forwards})
    async with gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", CHAT, **{"x-own": "passed"})
    (received,) = upstream.requests
    assert (called.status, received.header("x-own"), received.header("authorization")) == (200, "passed", None)
