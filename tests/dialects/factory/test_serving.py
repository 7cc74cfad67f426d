"""What a factory plugin serves and runs: routes, middleware, tasks, health, and what its context holds."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from jackfield.testing import until

from .guide import SKELETON, system
from .house import put

ROUTES = """
router = APIRouter()

@router.get("/show")
async def show(request: Request):
    return {"services": request.app.state.plugin_registry.list_plugins()}

made = APIRouter(prefix="/made")
made.add_api_route("/x", lambda: "made")
metrics = APIRouter()
metrics.add_api_route("/metrics", lambda: "ours")
"""
INCLUDES = """
    async def _on_initialize(self):
        self.context.app.include_router(made)
        self.context.app.include_router(metrics)
"""


async def test_routes_stand_where_they_were_declared(open_house: Any) -> None:
    fields = 'routes=[RouteSpec(router, prefix="/shop", tags=["goods"])]'
    house = await open_house(
        plugins={"shop": system("shop", INCLUDES.replace("(metrics)", "(made, prefix='/two')"), fields, ROUTES)}
    )
    async with house.gateway.caller() as caller:
        assert (await caller.get("/shop/show")).json == {"services": ["shop"]}
        assert [(await caller.get(path)).json for path in ("/made/x", "/two/made/x")] == ["made", "made"]
        caller.drop_header("authorization")
        assert (await caller.get("/shop/show")).status == 401
    document = (await house.gateway.admin("/api/openapi.json")).json
    assert document["paths"]["/shop/show"]["get"]["tags"] == ["goods"]


async def test_what_is_the_gateways_own_path_gives_way(open_house: Any) -> None:
    house = await open_house(plugins={"shop": system("shop", INCLUDES, before=ROUTES)})
    async with house.gateway.caller() as caller:
        assert (await caller.get("/plugins/shop/metrics")).json == "ours"
    assert "jackfield_in_flight" in (await house.gateway.metrics())


async def test_a_router_in_the_context_stands_below_the_plugins_own_path(open_house: Any) -> None:
    source = SKELETON.replace("# context[", "context[").replace(
        "router = APIRouter()", 'router = APIRouter()\nrouter.add_api_route("/x", lambda: "mine")'
    )
    house = await open_house(plugins={"my_provider": source})
    async with house.gateway.caller() as caller:
        assert (await caller.get("/plugins/my-provider/x")).json == "mine"


MIDDLEWARE = """
class Notes:
    def __init__(self, app, name):
        self.app, self.name = app, name

    async def __call__(self, scope, receive, send):
        async def reply(message):
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                headers[b"x-order"] = headers.get(b"x-order", b"") + self.name.encode() + b" "
                message["headers"] = list(headers.items())
            await send(message)
        await self.app(scope, receive, reply)
"""
LAYERS = """middleware=[
    MiddlewareSpec(Notes, kwargs={"name": "application"}),
    MiddlewareSpec(Notes, priority=MiddlewareLayer.SECURITY, kwargs={"name": "security"}),
]"""
OBSERVES = 'middleware=[MiddlewareSpec(Notes, priority=MiddlewareLayer.OBSERVABILITY, kwargs={"name": "observes"})]'


async def test_middleware_stands_in_its_layer(open_house: Any) -> None:
    plugins = {
        "layers": system("layers", fields=LAYERS, before=MIDDLEWARE),
        "other": system("other", fields=OBSERVES, before=MIDDLEWARE),
    }
    house = await open_house(plugins=plugins)
    async with house.gateway.caller() as caller:
        called = await caller.get("/health")
    assert called.headers["x-order"].split() == ["application", "observes", "security"]


TASKS = """
class Ticks(BaseScheduledTask):
    def __init__(self, name, interval_seconds, enabled=True, step=1, **kwargs):
        super().__init__(name, interval_seconds, enabled)
        self.step = step

    async def run(self):
        seen.append(self.step)
        return True
"""
TASK = """tasks=[
    TaskSpec("ticks", "ticker", Ticks, 1, kwargs={"step": 7}),
    TaskSpec("off", "ticker", Ticks, 1, enabled=False),
]"""


async def test_tasks_are_the_gateways_own(open_house: Any) -> None:
    house = await open_house(plugins={"ticking": system("ticking", fields=TASK, before=TASKS)})
    listed_there = (await house.gateway.admin("/api/v1/tasks")).body
    assert b'"ticks"' in listed_there
    (listed,) = await house.member("ticking").services.scheduler.list()
    assert listed.next_run is not None
    assert house.member("ticking").runtime.context.scheduler.list_tasks() == ["ticks"]


HEALTH = """
    async def health_check(self):
        return {{"status": "{status}", "output": "disk is nearly full", "componentId": self.name}}
"""


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("pass", "active", None),
        ("warn", "degraded", "warn: disk is nearly full"),
        ("fail", "degraded", "fail: disk is nearly full"),
    ],
)
async def test_health_is_read(open_house: Any, status: str, state: str, reason: str | None) -> None:
    house = await open_house(plugins={"my": system("my", HEALTH.format(status=status))})
    told = await house.described("my")
    assert (told["state"], told["reason"]) == (state, reason)


KEYS = """
    async def _on_initialize(self):
        for key in ("settings http_client logger scheduler plugin_registry request_tracer streaming_handler config "
                    "service_container hook_registry hook_manager app oauth_registry format_registry").split():
            seen.append((key, self.context[key] is not None))
        self.context.logger.info("initialised", category="plugin")
        logger.trace("as debug")
        assert self.context.settings.server.port == self.context.get("settings").server.port
"""


async def test_every_promised_key_is_there(open_house: Any) -> None:
    house = await open_house(plugins={"my": system("my", KEYS)})
    told = await house.described("my")
    assert (told["state"], told["reason"]) == ("active", None)
    assert [key for key, is_there in house.module("my").seen if not is_there] == []


ADAPTER = """
from ccproxy.services.adapters.http_adapter import BaseHTTPAdapter

class Adapter(BaseHTTPAdapter):
    async def get_target_url(self, endpoint):
        return "http://127.0.0.1:9" + endpoint

class Detection:
    async def initialize_detection(self):
        seen.append("detected")

    def get_version(self):
        return "3.1"
"""


PARTS = """    async def create_adapter(self, context):
        return ("adapter", context.get("detection_service").get_version())

    def create_detection_service(self, context):
        return Detection()

"""


async def test_a_provider_factory_makes_its_parts(open_house: Any) -> None:
    source = SKELETON.replace("    def create_context", PARTS + "    def create_context").replace(
        "router = APIRouter()", "router = APIRouter()\nseen = []\n" + ADAPTER
    )
    house = await open_house(plugins={"my_provider": source})
    member = house.member("my_provider")
    assert member.runtime.adapter == ("adapter", "3.1")
    assert house.module("my_provider").seen == ["detected"]
    details = (await member.runtime.health_check())["details"]
    assert (details["has_adapter"], details["has_detection"], details["has_credentials"], details["cli_version"]) == (
        True,
        True,
        False,
        "3.1",
    )


AUTH = """
from ccproxy.plugins import AuthProviderPluginFactory, PluginManifest

class Provider:
    provider_name = "acme"

class Factory(AuthProviderPluginFactory):
    def create_auth_provider(self, context=None):
        return Provider()

factory = Factory(PluginManifest(name="oauth_acme", version="1.0.0", is_provider=True))
"""


async def test_a_sign_in_provider_is_registered_while_it_runs(open_house: Any) -> None:
    house = await open_house(plugins={"oauth_acme": AUTH})
    assert (await house.described("oauth_acme"))["type"] == "auth_provider"
    assert house.world.oauth.has("acme")
    put(house.gateway.folder / "plugins", "oauth_acme", AUTH.replace('"acme"', '"other"'))
    await house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {})

    async def names() -> list[str]:
        return list(house.world.oauth)

    await until(names, lambda found: found == ["other"])


ENDS = """
    async def _on_initialize(self):
        self.context.hook_registry.register(Ends())

    async def _on_shutdown(self):
        seen.append("shutdown")
"""
END = """
class Ends(Hook):
    name, events, priority = "ends", [HookEvent.REQUEST_COMPLETED, HookEvent.APP_SHUTDOWN], 500

    async def __call__(self, context):
        await asyncio.sleep(0)
        seen.append(context.event.value)
"""


async def test_what_waits_is_told_before_the_end(open_house: Any) -> None:
    house = await open_house(plugins={"my": system("my", ENDS, before=END)})
    seen = house.module("my").seen
    assert (await house.chat()).status == 200
    put(house.gateway.folder / "plugins", "my", system("my"))
    changed = await house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {})
    assert changed.status == 200, changed.body
    assert await until(partial(_copy, seen), lambda found: len(found) == 3) == [
        "request.completed",
        "app.shutdown",
        "shutdown",
    ]


async def _copy(seen: list[str]) -> list[str]:
    return list(seen)


VALIDATE = """
    async def _on_validate(self):
        return {valid}
"""


@pytest.mark.parametrize(
    ("valid", "state", "reason"),
    [("True", "active", None), ("False", "degraded", "its validate() says that it is not in order")],
)
async def test_validate_is_asked(open_house: Any, valid: str, state: str, reason: str | None) -> None:
    house = await open_house(plugins={"my": system("my", VALIDATE.format(valid=valid))})
    told = await house.described("my")
    assert (told["state"], told["reason"]) == (state, reason)
