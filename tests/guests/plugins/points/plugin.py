"""A hook at every point; what each does a header says, such as `x-do: pre_flight=reject`."""

import sys
from typing import Any

from jackfield.sdk import (
    Answer,
    ChatResponse,
    Choice,
    Drop,
    Exchange,
    Head,
    Identity,
    Message,
    Plugin,
    Reject,
    Replace,
    Text,
    TextDelta,
    current_caller,
    hook,
)


class Notes:
    def __init__(self) -> None:
        self.points: list[str] = []


class Points(Plugin):
    permissions = ("storage:read", "storage:write")

    def _do(self, exchange: Exchange, point: str) -> str:
        exchange.local(Notes).points.append(point)
        asked = exchange.inbound.header("x-do") or ""
        return next((what for at, _, what in (part.partition("=") for part in asked.split(",")) if at == point), "")

    @hook("ingress")
    async def on_ingress(self, exchange: Exchange) -> Any:
        what = self._do(exchange, "ingress")
        if what == "replace":
            inbound = exchange.inbound
            body = inbound.body.replace(b"hello", b"greetings")
            return Replace(type(inbound)(inbound.method, inbound.path, (*inbound.headers, (b"x-seen", b"1")), body))
        if what == "credential":
            return Reject(418, "seen", exchange.inbound.header("authorization") or "nothing")
        return None

    @hook("auth")
    async def on_auth(self, exchange: Exchange) -> Any:
        if self._do(exchange, "auth") == "identity":
            return Identity(user="ann", app="shop", credential="k1", models=frozenset({"m"}), claims={"tier": "gold"})
        return None

    @hook("pre_flight", on_failure="closed", priority=7, timeout_ms=400)
    async def on_pre_flight(self, exchange: Exchange) -> Any:
        what = self._do(exchange, "pre_flight")
        return await getattr(self, f"_{what}")(exchange) if what else None

    async def _reject(self, exchange: Exchange) -> Any:
        return Reject(429, "slow_down", "Too fast.", retry_after_s=3)

    async def _answer(self, exchange: Exchange) -> Any:
        message = Message(role="assistant", parts=(Text(text=f"cached for {exchange.model}"),))
        return Answer(ChatResponse(id="c", model=exchange.model, choices=(Choice(message=message),)))

    async def _replace(self, exchange: Exchange) -> Any:
        request = exchange.request
        said = Message(role="user", parts=(Text(text=f"{request.last_user_text()}, twice"),))
        return Replace(type(request)(model=request.model, messages=(said,), format=request.format, extra=request.extra))

    async def _caller(self, exchange: Exchange) -> Any:
        caller = current_caller()
        identity = exchange.identity
        assert caller is not None
        assert identity is not None
        told = (caller.user, caller.app, caller.credential, identity.role, dict(identity.claims))
        return Reject(400, "caller", f"{told} {caller.conversation is not None} {exchange.inbound.header('cookie')}")

    async def _raise(self, exchange: Exchange) -> Any:
        raise ValueError("no such city")

    async def _exit(self, exchange: Exchange) -> Any:
        sys.exit(3)

    async def _interrupt(self, exchange: Exchange) -> Any:
        raise KeyboardInterrupt

    async def _recurse(self, exchange: Exchange) -> Any:
        return await self._recurse(exchange)

    async def _evil(self, exchange: Exchange) -> Any:
        class Evil(Exception):
            def __str__(self) -> str:
                raise RuntimeError("not even its name")

        raise Evil

    async def _nonsense(self, exchange: Exchange) -> Any:
        return 42

    async def _unsound(self, exchange: Exchange) -> Any:
        return Replace(Head(200, ()))

    async def _wait(self, exchange: Exchange) -> Any:
        import asyncio

        await asyncio.Event().wait()

    async def _shape(self, exchange: Exchange) -> Any:
        facts = (exchange.operation, exchange.route, exchange.client_format, exchange.stream, exchange.replaced)
        return Reject(400, "shape", f"{facts} {dict(exchange.request.extra)}")

    @hook("routing")
    async def on_routing(self, exchange: Exchange) -> Any:
        what = self._do(exchange, "routing")
        if what == "second":
            return Replace(tuple(sorted(exchange.candidates, key=lambda one: one.upstream, reverse=True)))
        names = sorted(candidate.upstream for candidate in exchange.candidates)
        return Reject(403, "routed", ",".join(names)) if what == "tell" else None

    @hook("attempt")
    async def on_attempt(self, exchange: Exchange) -> Any:
        outgoing = exchange.outgoing
        if self._do(exchange, "attempt") == "replace" and outgoing is not None:
            headers = (*outgoing.headers, (b"x-added", b"yes"))
            return Replace(type(outgoing)(outgoing.method, outgoing.url, headers, outgoing.body))
        return None

    @hook("response_head", on_failure="open")
    async def on_head(self, exchange: Exchange) -> Any:
        head = exchange.head
        if self._do(exchange, "response_head") == "replace" and head is not None:
            return Replace(head.with_header("x-told", f"{head.status} {len(exchange.attempts)}"))
        return None

    @hook("response_chunk", on_failure="open", hold=6, look_behind=10)
    async def on_chunk(self, exchange: Exchange, event: Any) -> Any:
        what = self._do(exchange, "response_chunk")
        if not isinstance(event, TextDelta) or not what:
            return None
        if what == "mask":
            return Replace(TextDelta(text=event.text.replace("secret", "******")))
        if what == "double":
            return Replace((event, event))
        if what == "behind" and "stop" in exchange.behind + event.text:
            return Reject(400, "cut", f"after {exchange.behind!r}")
        return Drop() if what == "drop" and "b" in event.text else None

    @hook("response_body", on_failure="open")
    async def on_body(self, exchange: Exchange) -> Any:
        what, response = self._do(exchange, "response_body"), exchange.response
        if what == "upper" and isinstance(response, ChatResponse):
            return Replace(response.with_text(response.text().upper()))
        told = f"{type(response).__name__} {exchange.finish_reason}"
        return Reject(451, "withheld", told) if what == "reject" else None

    @hook("background")
    async def on_background(self, exchange: Exchange) -> None:
        self._do(exchange, "background")
        usage, timings = exchange.usage, exchange.timings
        await self.services.kv.set(
            "last",
            {
                "points": exchange.local(Notes).points,
                "output": None if usage is None else usage.output,
                "timed": timings is not None,
                "decided_by": exchange.decided_by,
                "tries": [attempt.status for attempt in exchange.attempts],
                "ended": [exchange.status, exchange.error and exchange.error.code],
                "tried": exchange.trying and exchange.trying.model,
            },
        )
