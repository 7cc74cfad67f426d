"""Paths of plugins: who may ask, what is there, and that it changes with the plugins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.server.admin import refused

from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]

SHOP = """
    from fastapi import APIRouter, HTTPException, Request
    from fastapi.responses import StreamingResponse
    from pydantic import BaseModel
    from jackfield.sdk import Plugin, RouterSpec, current_caller, route

    class Item(BaseModel):
        name: str
        price: float = 1.0

    router = APIRouter()

    @router.get("/{item}")
    async def show(item: int) -> Item:
        if item == 404:
            raise HTTPException(404, "no such item")
        if item == 500:
            raise KeyError("boom")
        return Item(name=f"item {item}")

    class TheShop(Plugin):
        routers = (RouterSpec(router=router, prefix="/items", tags=("goods",)),)

        @route("/who")
        async def who(self) -> dict:
            caller = current_caller()
            return {"plugin": self.id, "credential": caller.credential if caller else None}

        @route("/orders", methods=["POST"], status_code=201)
        async def order(self, item: Item) -> Item:
            return item

        @route("/numbers")
        async def numbers(self):
            async def count():
                for number in range(3):
                    yield f"{number}\\n"
            return StreamingResponse(count(), media_type="text/plain")
"""
PUBLIC = """
    from fastapi import Request
    from jackfield.sdk import Plugin, current_caller, route

    class Shown(Plugin):
        permissions = ("routes:public",)

        @route("/hello", public=True)
        async def hello(self) -> dict:
            caller = current_caller()
            return {"known": caller is not None}

        @route("/hook", public=True)
        async def hook(self, request: Request) -> dict:
            return {name: value for name, value in request.headers.items() if name in ("authorization", "cookie")}

        @route("/closed")
        async def closed(self, request: Request) -> list:
            return [name for name in request.headers if name in ("authorization", "x-api-key", "cookie", "x-other")]
"""


async def test_a_path_needs_a_key_and_knows_who_asks(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"the_shop": SHOP})
    async with gateway.caller() as caller:
        called = await caller.get("/plugins/the-shop/who")
        assert (called.status, called.json["plugin"]) == (200, "the_shop")
        assert called.json["credential"]
        assert called.headers["x-request-id"].startswith("req_")
    async with gateway.caller("jf-wrong") as caller:
        refused(await caller.get("/plugins/the-shop/who"), 401, "invalid_api_key")
        refused(await caller.get("/plugins/the-shop/nothing"), 401, "invalid_api_key")
        refused(await caller.get("/plugins/nobody"), 401, "invalid_api_key")
        refused(await caller.get("/favicon.ico"), 404, "not_found")


async def test_handlers_are_fastapis(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"the_shop": SHOP})
    async with gateway.caller() as caller:
        assert (await caller.get("/plugins/the-shop/items/7")).json == {"name": "item 7", "price": 1.0}
        assert (await caller.get("/plugins/the-shop/items/seven")).status == 422
        assert (await caller.get("/plugins/the-shop/items/404")).json == {"detail": "no such item"}
        ordered = await caller.post("/plugins/the-shop/orders", {"name": "pen", "price": 2.5})
        assert (ordered.status, ordered.json) == (201, {"name": "pen", "price": 2.5})
        assert (await caller.get("/plugins/the-shop/numbers")).body == b"0\n1\n2\n"
        refused(await caller.get("/plugins/the-shop/orders"), 405, "method_not_allowed")
        refused(await caller.get("/plugins/the-shop/nothing"), 404, "not_found")


async def test_what_a_handler_raises_is_its_plugins_failure(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"the_shop": SHOP})
    async with gateway.caller() as caller:
        called = await caller.get("/plugins/the-shop/items/500")
        refused(called, 502, "plugin_failed", plugin="the_shop")
        assert b"boom" not in called.body
        assert (await caller.get("/plugins/the-shop/who")).status == 200


async def test_without_a_key_only_what_is_public_and_approved(start_gateway: StartGateway) -> None:
    asking = await start_gateway(plugins={"shown": PUBLIC})
    async with asking.caller() as caller:
        caller.drop_header("authorization")
        assert (await caller.get("/plugins/shown/hello")).json == {"known": False}
    async with asking.caller() as caller:
        assert (await caller.get("/plugins/shown/hello")).json == {"known": True}
    unasked = PUBLIC.replace('permissions = ("routes:public",)', "")
    refusing = await start_gateway(plugins={"shown": unasked})
    plugin = await refusing.plugin("shown")
    assert plugin["state"] == "failed"
    assert "offers paths without a key, for which it lacks the permission 'routes:public'" in plugin["reason"]


async def test_the_key_is_no_business_of_the_plugin_and_a_strangers_is(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"shown": PUBLIC})
    async with gateway.caller() as caller:
        closed = await caller.get("/plugins/shown/closed", cookie="a=1", x_other="kept")
        assert closed.json == ["x-other"]
        assert (await caller.get("/plugins/shown/hook", cookie="a=1")).json == {}
    async with gateway.caller("their-own-token") as caller:
        assert (await caller.get("/plugins/shown/hook")).json == {"authorization": "Bearer their-own-token"}
        refused(await caller.get("/plugins/shown/closed"), 401, "invalid_api_key")


WRONG = [
    (
        "class A(Plugin):\n    routers = (RouterSpec(router=APIRouter(), prefix='v1'),)",
        "a prefix is empty, or begins with /",
    ),
    ("class A(Plugin):\n    routers = (APIRouter(),)", "APIRouter is no RouterSpec"),
    (
        "class A(Plugin):\n    routers = (RouterSpec(router=one, prefix='/v1/x', at_root=True),)",
        "GET /v1/x/one is among the gateway's own paths",
    ),
    (
        "class A(Plugin):\n    routers = (RouterSpec(router=one, prefix='/api', at_root=True),)",
        "GET /api/one is among the gateway's own",
    ),
    ("class A(Plugin):\n    @route('one')\n    async def one(self): ...", "a path begins with /"),
    ("class A(Plugin):\n    @route('/one')\n    def one(self): ...", "must be `async def`"),
    ("class A(Plugin):\n    @route('/one', methods=['FETCH'])\n    async def one(self): ...", "not FETCH"),
    ("class A(Plugin):\n    middleware = (MiddlewareSpec(kind=Broken),)", "RuntimeError: cannot be made"),
    ("class A(Plugin):\n    middleware = (Broken,)", "type is no MiddlewareSpec"),
]
BEGIN = """
from fastapi import APIRouter
from jackfield.sdk import MiddlewareSpec, Plugin, RouterSpec, route

one = APIRouter()
one.add_api_route("/one", lambda: 1)

class Broken:
    def __init__(self, app):
        raise RuntimeError("cannot be made")

"""


async def test_what_is_wrong_keeps_the_plugin_out_and_is_told(start_gateway: StartGateway) -> None:
    plugins = {f"wrong{n}": BEGIN + source.replace("class A", f"class Wrong{n}") for n, (source, _) in enumerate(WRONG)}
    gateway = await start_gateway(plugins=plugins | {"the_shop": SHOP})
    for number, (_, reason) in enumerate(WRONG):
        plugin = await gateway.plugin(f"wrong{number}")
        assert (plugin["state"], reason in plugin["reason"]) == ("failed", True), plugin["reason"]
    assert (await gateway.plugin("the_shop"))["state"] == "active"


CLASH = """
    from fastapi import APIRouter
    from jackfield.sdk import Plugin, RouterSpec

    router = APIRouter()

    @router.get("/things/{{number}}")
    async def show(number: int): return "{name}"

    class {kind}(Plugin):
        routers = (RouterSpec(router=router, prefix="/shared", at_root=True),)
"""


async def test_of_two_with_one_path_the_first_has_it(start_gateway: StartGateway) -> None:
    plugins = {name: CLASH.format(name=name, kind=name.capitalize()) for name in ("first", "second")}
    gateway = await start_gateway(plugins=plugins)
    second = await gateway.plugin("second")
    assert second["state"] == "failed"
    assert "GET /shared/things/{} is offered by the plugin 'first'" in second["reason"]
    async with gateway.caller() as caller:
        assert (await caller.get("/shared/things/1")).json == "first"


async def write(gateway: RunningGateway, plugin: str, source: str) -> dict[str, Any]:
    from textwrap import dedent

    (gateway.folder / "plugins" / plugin / "plugin.py").write_text(dedent(source))
    called = await gateway.admin("/api/v1/plugins/hot-swap", "POST", {})
    assert called.status == 200, called.body
    return dict(called.json)


async def test_paths_change_with_their_plugin(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"the_shop": SHOP})
    async with gateway.caller() as caller:
        assert (await caller.get("/plugins/the-shop/who")).status == 200
        await write(gateway, "the_shop", SHOP.replace('"/who"', '"/whom"'))
        assert (await caller.get("/plugins/the-shop/who")).status == 404
        assert (await caller.get("/plugins/the-shop/whom")).status == 200
        await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "the_shop", "enabled": False})
        assert (await caller.get("/plugins/the-shop/whom")).status == 404


HELD = """
    import asyncio
    from jackfield.sdk import Plugin, route

    class Held(Plugin):
        gone = False

        @route("/wait")
        async def wait(self) -> bool:
            self.log.info("waits")
            self.begun.set()
            await asyncio.sleep(0.3)
            return self.gone

        @route("/begun")
        async def was_begun(self) -> bool:
            await self.begun.wait()
            return True

        async def on_load(self):
            self.begun = asyncio.Event()

        async def on_unload(self):
            self.gone = True
"""


async def test_who_is_being_answered_keeps_the_plugin(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"held": HELD})
    async with gateway.caller() as caller, gateway.caller() as other:
        waiting = asyncio.create_task(caller.get("/plugins/held/wait"))
        assert (await other.get("/plugins/held/begun")).json is True
        await write(gateway, "held", HELD.replace("0.3", "0"))
        assert (await waiting).json is False


async def test_they_stand_in_the_description_of_the_api(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"the_shop": SHOP, "shown": PUBLIC})
    described = (await gateway.admin("/api/openapi.json")).json
    shown = described["paths"]["/plugins/the-shop/items/{item}"]["get"]
    assert shown["tags"] == ["goods"]
    assert described["paths"]["/plugins/the-shop/orders"]["post"]["tags"] == ["the-shop"]
    assert described["paths"]["/plugins/the-shop/who"]["get"]["security"]
    assert "security" not in described["paths"]["/plugins/shown/hello"]["get"]
    assert "Item" in str(described["components"]["schemas"])
    await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "the_shop", "enabled": False})
    assert "/plugins/the-shop/who" not in (await gateway.admin("/api/openapi.json")).json["paths"]


@pytest.mark.parametrize("path", ["/plugins/the-shop/orders", "/plugins/the-shop/who"])
async def test_a_body_that_is_too_large_is_not_read(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway(plugins={"the_shop": SHOP}, server={"max_body_mb": 0.001})
    async with gateway.caller() as caller:
        called = await caller.call("POST" if path.endswith("orders") else "GET", path, body=b"x" * 2000)
        refused(called, 413, "request_too_large")
