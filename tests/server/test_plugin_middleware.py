"""Plugins' middleware: around all of the gateway, in layers, and with its plugin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from textwrap import dedent

import pytest
from tests.server.admin import CHAT, refused

from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]

LAYER = """
    from jackfield.sdk import MiddlewareLayer, MiddlewareSpec, Plugin

    class Note:
        def __init__(self, app, name):
            self.app, self.name = app, name

        async def __call__(self, scope, receive, send):
            seen = dict(scope["headers"]).get(b"x-order", b"")
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"x-order"]
            scope["headers"] += [(b"x-order", seen + self.name.encode())]
            order = seen + self.name.encode()

            async def noted(message):
                if message["type"] == "http.response.start":
                    names = [name for name, _ in message["headers"]]
                    if b"x-order" not in names:
                        message["headers"] = [*message["headers"], (b"x-order", order)]
                await send(message)

            await self.app(scope, receive, noted)

    class {kind}(Plugin):
        middleware = ({specs},)
"""


def noting(kind: str, *layers: tuple[str, str]) -> str:
    specs = ", ".join(
        f"MiddlewareSpec(kind=Note, layer={layer}, options={{'name': {name!r}}})" for name, layer in layers
    )
    return LAYER.format(kind=kind, specs=specs)


PLUGINS = {
    "alpha": noting("Alpha", ("r", "MiddlewareLayer.ROUTING"), ("s", "MiddlewareLayer.SECURITY")),
    "beta": noting("Beta", ("S", "MiddlewareLayer.SECURITY"), ("b", "MiddlewareLayer.ROUTING - 1")),
    "gamma": noting("Gamma", ("o", "MiddlewareLayer.OBSERVABILITY"), ("a", "500"), ("t", "300")),
}


async def test_the_lowest_layer_is_the_outermost_and_ties_go_by_plugin(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins=PLUGINS)
    async with gateway.caller() as caller:
        for path in ("/health", "/v1/models", "/nothing", "/api/v1/plugins"):
            assert (await caller.get(path)).headers["x-order"] == "sSotbra"
        called = await caller.post("/v1/chat/completions", CHAT | {"stream": True})
        assert (called.status, called.headers["x-order"]) == (200, "sSotbra")
        assert called.body.endswith(b"data: [DONE]\n\n")


async def test_it_comes_and_goes_with_its_plugin(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins=PLUGINS)
    async with gateway.caller() as caller:
        await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "beta", "enabled": False})
        assert (await caller.get("/health")).headers["x-order"] == "sotra"
        file = gateway.folder / "plugins" / "alpha" / "plugin.py"
        file.write_text(dedent(noting("Alpha", ("x", "MiddlewareLayer.APPLICATION"))))
        assert (await gateway.admin("/api/v1/plugins/hot-swap", "POST", {})).json["changed"]
        assert (await caller.get("/health")).headers["x-order"] == "otxa"
        for name in ("alpha", "gamma"):
            await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": name, "enabled": False})
        assert "x-order" not in (await caller.get("/health")).headers


FAILING = """
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    from jackfield.sdk import MiddlewareSpec, Plugin

    class Failing(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            if request.headers.get("x-fail"):
                raise RuntimeError("secret words")
            if request.headers.get("x-stop"):
                return PlainTextResponse("stopped", 418)
            return await call_next(request)

    class Fails(Plugin):
        middleware = (MiddlewareSpec(kind=Failing),)
"""


async def test_what_it_raises_is_its_plugins_failure(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"fails": FAILING})
    async with gateway.caller() as caller:
        called = await caller.get("/v1/models", x_fail="1")
        assert (called.status, called.json["error"]["plugin"]) == (502, "fails")
        assert b"secret" not in called.body
        assert (await caller.get("/v1/models", x_stop="1")).status == 418
        assert (await caller.post("/v1/chat/completions", CHAT)).status == 200


ADDING = """
    from starlette.middleware.base import BaseHTTPMiddleware
    from jackfield.sdk import MiddlewareSpec, Plugin

    class Adding(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            response = await call_next(request)
            response.headers["x-added"] = "yes"
            response.headers["x-request-id"] = "mine"
            return response

    class Adds(Plugin):
        middleware = (MiddlewareSpec(kind=Adding),)
"""


async def test_starlettes_middleware_changes_the_headers_of_every_answer(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"adds": ADDING})
    async with gateway.caller() as caller:
        answers = [await caller.get(path) for path in ("/health", "/v1/models", "/nothing", "/metrics")]
        for path, body in (("/v1/chat/completions", CHAT), ("/v1/messages", CHAT | {"max_tokens": 9})):
            answers += [await caller.post(path, body | {"stream": stream}) for stream in (False, True)]
        answers.append(await caller.post("/v1/chat/completions", {}))
    assert [one.headers.get("x-added") for one in answers] == ["yes"] * len(answers)
    assert {one.headers["x-request-id"] for one in answers} == {"mine"}
    assert {one.status for one in answers} >= {200, 400, 404}


async def test_it_changes_those_of_a_plugins_failure_too(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"adds": ADDING, "fails": FAILING})
    async with gateway.caller() as caller:
        called = await caller.get("/v1/models", x_fail="1")
    assert (called.status, called.json["error"]["plugin"], called.headers["x-added"]) == (502, "fails", "yes")


LATE = """
    from jackfield.sdk import MiddlewareSpec, Plugin

    class Once:
        made = 0

        def __init__(self, app):
            Once.made += 1
            if Once.made > 1:
                raise RuntimeError("only once")

    class Late(Plugin):
        middleware = (MiddlewareSpec(kind=Once),)
"""


async def test_one_that_cannot_be_made_any_more_lets_nothing_through(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"late": LATE})
    async with gateway.caller() as caller:
        called = await caller.get("/v1/models")
        assert (called.status, called.json["error"]["plugin"]) == (502, "late")


GUARD = """
    from jackfield.sdk import MiddlewareLayer, MiddlewareSpec, Plugin

    class Refuse:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})

    class Guard(Plugin):
        middleware = (MiddlewareSpec(kind=Refuse, layer=0),)
"""


async def test_who_may_ask_from_a_browser_is_told_before_any_of_them(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"guard": GUARD}, server={"cors_origins": ["https://app.example.com"]})
    async with gateway.caller() as caller:
        headers = {"origin": "https://app.example.com", "access_control_request_method": "POST"}
        leave = await caller.call("OPTIONS", "/v1/chat/completions", headers=headers)
        assert (leave.status, leave.headers["access-control-allow-origin"]) == (200, "https://app.example.com")
        refusal = await caller.get("/v1/models", origin="https://app.example.com")
        assert (refusal.status, refusal.headers["access-control-allow-origin"]) == (403, "https://app.example.com")
        other = await caller.get("/v1/models", origin="https://evil.example.com")
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origin", ["app.example.com", "https://app.example.com/x", "ftp://a", "https://u@a", ""])
async def test_what_is_no_origin_is_refused(start_gateway: StartGateway, origin: str) -> None:
    with pytest.raises(Exception, match=r"server\.cors_origins\[0\]: expected an origin"):
        await start_gateway(server={"cors_origins": [origin]})


async def test_without_the_setting_there_is_no_word_of_origins(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        called = await caller.get("/v1/models", origin="https://app.example.com")
        assert "access-control-allow-origin" not in called.headers
        refused(
            await caller.call("OPTIONS", "/health", headers={"origin": "https://a.example"}), 405, "method_not_allowed"
        )
