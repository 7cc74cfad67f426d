"""Gateways whose tools run, and a plugin that has some."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from announcing import Silence
from jackfield.agents.agents import Agents
from jackfield.agents.chats import ToolChats
from jackfield.agents.loop import ToolLoop
from jackfield.server.agents import AgentServer
from jackfield.server.inference import Inference
from jackfield.services.base import Announcer
from jackfield.services.tool_gate import Allows, ToolGate
from jackfield.testing import Upstream
from jackfield.testing.caller import Called
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

PLUGIN = '''
    import asyncio

    from jackfield.sdk import Answer, ChatResponse, Choice, Message, Plugin, Reject, Text, hook
    from jackfield.sdk.agents import agent
    from jackfield.sdk.tools import ToolFailed, tool

    SEEN, BODIES, RUNNING, CANCELLED, WAITED = [], [], [], [], asyncio.Event()

    class Kit(Plugin):
        id = "kit"
        permissions = ("tools:register",)

        @hook("ingress", timeout_ms=20_000)
        async def enter(self, exchange):
            BODIES.append(exchange.inbound.body)
            if exchange.inbound.header("x-cached") is not None:
                message = Message(role="assistant", parts=(Text(text="as before"),))
                choices = (Choice(message=message, finish_reason="stop"),)
                return Answer(ChatResponse(id="kept", model="kept", choices=choices))

        @hook("pre_flight", on_failure="open", timeout_ms=20_000)
        async def note(self, exchange):
            SEEN.append((exchange.id, len(exchange.request.messages), exchange.identity is not None))
            if exchange.request.messages[-1].role == "tool" and "forbidden" in exchange.request.text():
                return Reject(451, "forbidden_words", "Not that.")

        @hook("background", timeout_ms=20_000)
        async def done(self, exchange):
            SEEN.append((exchange.id, exchange.usage is not None, exchange.cost_usd))

        @tool("Adds two numbers")
        async def add(self, a: int, b: int) -> int:
            return a + b

        @tool("Has the weather")
        async def weather(self, city: str, days: int = 1) -> dict:
            return {"city": city, "sky": "grey"}

        @tool("Never works")
        async def fail(self) -> None:
            raise ToolFailed("the shed is locked")

        @tool("Gives much")
        async def much(self, size: int) -> str:
            return "x" * size

        @tool("Waits until it is cancelled")
        async def wait(self, mark: str = "") -> str:
            RUNNING.append(mark)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                CANCELLED.append(mark)
                raise

        @tool("Ends when as many as that run at once")
        async def meet(self, number: int, of: int) -> int:
            RUNNING.append(number)
            if len(RUNNING) == of:
                WAITED.set()
            await asyncio.wait_for(WAITED.wait(), 5)
            return number

        @agent("clerk", "Answers questions on sums", instructions="Be brief.", tools=("plugin_kit_add",), max_turns=3)
        def clerk(self, spec):
            """Its model is the config's, if any."""
'''


def run_tools(
    gateway: RunningGateway,
    *,
    announcer: Announcer | None = None,
    allows: Allows = lambda caller, tool: True,
    loops: Callable[[Any], bool] | None = None,
    timeout_s: float = 60.0,
) -> None:
    """Puts a tool loop with another gate in the place of the gateway's own."""
    former = gateway.app._inference
    shared = (former._pipeline, former._host, former._in_flight, former._max_body_bytes)
    loop = ToolLoop(former._pipeline, ToolGate(announcer or Silence(), allows, lambda plugin: None), timeout_s)
    gateway.app._inference = Inference(*shared, ToolChats(loop, loops), AgentServer(*shared, Agents(loop)))


def links(openai: Upstream, anthropic: Upstream) -> list[dict[str, Any]]:
    return [
        link(openai, "openai", models={"via-openai": "gpt-4o"}, max_retries=0),
        link(anthropic, "anthropic", models={"via-anthropic": "claude-sonnet-4-20250514"}, max_retries=0),
        {"name": "echo", "provider": "echo", "models": {"via-echo": "echo"}, "max_retries": 0},
    ]


def turns(*scripts: Mapping[str, Any]) -> str:
    """A message that tells the echo provider what to answer turn by turn."""
    return "echo: " + json.dumps({"turns": scripts})


def calls(*named: tuple[str, Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A turn that calls tools of the kit."""
    return {"tool_calls": [{"name": f"plugin_kit_{name}", "arguments": dict(given)} for name, given in named], **more}


def kit(gateway: RunningGateway) -> Any:
    """The kit's module, to see what its hooks and tools saw."""
    import sys

    instance = gateway.app._inference._host.snapshot.plugins["kit"].instance
    return sys.modules[type(instance).__module__]


def text_of(called: Called) -> str:
    body = called.json
    if "choices" in body:
        return str(body["choices"][0]["message"]["content"])
    return "".join(block["text"] for block in body["content"] if block["type"] == "text")


def asking(path: str, model: str, text: str, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return body | ({"max_tokens": 1000} if path.endswith("messages") else {})
