"""Plugins of the shapes that are written for that system: what each leans on, and that it works here."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackfield.testing import Upstream, until
from jackfield.testing.setup import link

from .guide import system

# Each hook registers itself as the real ones do: in the context's registry, else the application's.
REGISTERS = """
    async def _on_initialize(self):
        if not self.context:
            raise RuntimeError("Context not set")
        config = self.context.get("config")
        assert isinstance(config, Config)
        registry = self.context.get("hook_registry") or self.context.get("service_container").get_hook_registry()
        app = self.context.get("app")
        assert isinstance(registry, HookRegistry) and hasattr(app.state, "hook_registry")
        self.hook = Own(config)
        registry.register(self.hook)

    async def _on_shutdown(self):
        self.context.app.state.hook_registry.unregister(self.hook)
"""
FILES = """
from ccproxy.core.plugins.hooks.base import HookContext
from ccproxy.core.plugins.hooks.events import HookEvent
from ccproxy.core.request_context import RequestContext
from ccproxy.utils.command_line import format_command_output, generate_curl_command, generate_curl_shell_script

class Own(Hook):
    name, events, priority = "replay", [HookEvent.PROVIDER_REQUEST_PREPARED, HookEvent.HTTP_REQUEST], 200

    def __init__(self, config):
        self.folder = __import__("pathlib").Path(config.name)

    async def __call__(self, context: HookContext) -> None:
        if not context.data.get("is_provider_request"):
            return
        given = (context.data["method"], context.data["url"], context.data["headers"], context.data["body"])
        told = format_command_output(context.metadata["request_id"], generate_curl_command(*given, is_json=True))
        current = RequestContext.get_current()
        name = f"{current.request_id}_{current.get_log_timestamp_prefix()}.sh"
        (self.folder / name).write_text(told + generate_curl_shell_script(*given, is_json=True))
"""


async def read_files(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


async def test_requests_are_written_down_as_commands(open_house: Any, upstream: Upstream, tmp_path: Path) -> None:
    folder = tmp_path / "replays"
    folder.mkdir()
    house = await open_house(
        plugins={"replay": system("replay", REGISTERS, before=FILES)},
        upstreams=[link(upstream)],
        environ={"PLUGINS__REPLAY": json.dumps({"name": str(folder)})},
    )
    assert (await house.chat(model="scripted")).status == 200
    ((name, text),) = (await until(partial(read_files, folder), bool)).items()
    assert name.startswith("req_")
    assert f"curl -X POST {upstream.openai_url}/chat/completions" in text
    assert "hello" in text


LIMITS = """
class Own(Hook):
    name, events, priority = "limits", [HookEvent.PROVIDER_REQUEST_PREPARED], HookLayer.PROCESSING

    def __init__(self, config):
        self.limit = config.limit

    async def __call__(self, context):
        body = context.data.get("body")
        if isinstance(body, dict) and not body.get("max_tokens"):
            body["max_tokens"] = self.limit
            context.data["body_raw"] = __import__("json").dumps(body).encode()
            context.metadata["max_tokens_modified"] = True
"""


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_is_completed_on_its_way_out(open_house: Any, upstream: Upstream, stream: bool) -> None:
    house = await open_house(
        plugins={"limits": system("limits", REGISTERS, 'provides=["max_tokens"]', LIMITS)},
        upstreams=[link(upstream)],
        environ={"PLUGINS__LIMITS__LIMIT": "321"},
    )
    assert (await house.chat(model="scripted", stream=stream)).status == 200
    assert json.loads(upstream.requests[-1].body)["max_tokens"] == 321
    assert (await house.described("limits"))["state"] == "degraded"


COUNTS = """
class Own(Hook):
    name = "counts"
    events = [HookEvent.REQUEST_COMPLETED, HookEvent.PROVIDER_STREAM_END, HookEvent.REQUEST_FAILED]
    priority = 700

    def __init__(self, config):
        self.tokens = {"input": 0, "output": 0}

    async def __call__(self, context):
        for field in ("usage", "usage_metrics"):
            for kind in self.tokens:
                self.tokens[kind] += context.data.get(field, {}).get(f"{kind}_tokens", 0)
        seen.append({key: context.metadata.get(key) for key in ("tokens_input", "tokens_output", "model")})

class Push(BaseScheduledTask):
    def __init__(self, name, interval_seconds, enabled, metrics_config, metrics_hook, max_backoff_seconds=300.0):
        super().__init__(name=name, interval_seconds=interval_seconds, enabled=enabled,
                         max_backoff_seconds=max_backoff_seconds)
        self.hook = metrics_hook

    async def run(self):
        return True

def routes(hook):
    router = APIRouter(prefix="/metrics", tags=["metrics"])
    router.add_api_route("/tokens", lambda: hook.tokens)
    return router
"""
PUSHES = (
    REGISTERS.replace(
        "registry.register(self.hook)",
        """registry.register(self.hook)
        app.include_router(routes(self.hook), prefix="")
        scheduler = self.context.get("scheduler")
        if not scheduler.task_registry.has("push"):
            scheduler.task_registry.register("push", Push)
        await scheduler.add_task(task_name="push", task_type="push", interval_seconds=60, enabled=True,
                                 max_backoff_seconds=300.0, metrics_config=config, metrics_hook=self.hook)""",
    )
    + """
        await self.context.scheduler.remove_task("push")
"""
)


async def test_tokens_are_counted_once_whether_they_stream_or_not(open_house: Any, upstream: Upstream) -> None:
    house = await open_house(plugins={"counts": system("counts", PUSHES, before=COUNTS)}, upstreams=[link(upstream)])
    whole = await house.chat(model="scripted")
    assert (await house.chat(model="scripted", stream=True)).status == 200
    used = whole.json["usage"]

    async def read() -> Any:
        async with house.gateway.caller() as caller:
            return (await caller.get("/plugins/counts/metrics/tokens")).json

    # The end of the stream, and of the requests.
    await until(partial(_copy, house.module("counts").seen), lambda told: len(told) == 3)
    told = await read()
    assert told == {"input": 2 * used["prompt_tokens"], "output": 2 * used["completion_tokens"]}
    last = house.module("counts").seen[-1]
    assert last == {"tokens_input": used["prompt_tokens"], "tokens_output": told["output"] // 2, "model": "scripted"}
    assert house.member("counts").runtime.context.scheduler.list_tasks() == ["push"]


PRICES = """
class Update(BaseScheduledTask):
    def __init__(self, name, interval_seconds, service, enabled=True, force_refresh_on_startup=False):
        super().__init__(name=name, interval_seconds=interval_seconds, enabled=enabled)
        self.service = service

    async def run(self):
        self.service.updates += 1
        return True

class Prices:
    updates = 0

    async def calculate_cost(self, model_name, input_tokens):
        return input_tokens * 2
"""
UPDATES = """
    async def _on_initialize(self):
        self.service = Prices()
        self.context.get("plugin_registry").register_service("pricing", self.service, self.manifest.name)
        self.task = Update(name="update", interval_seconds=3600, service=self.service)
        await self.task.start()

    async def _on_shutdown(self):
        await self.task.stop()

    async def _get_health_details(self):
        return {"running": self.task.get_status()["running"]}
"""
STORES = """
from ccproxy.core.async_task_manager import create_managed_task
from fastapi import HTTPException

class Store:
    def __init__(self):
        self.queue, self.rows = asyncio.Queue(), []

    async def initialize(self):
        self.worker = await create_managed_task(self.work(), name="worker", creator="Store")

    async def work(self):
        while (row := await self.queue.get()) is not None:
            self.rows.append(row)

router = APIRouter()

@router.get("/rows")
async def rows(request: Request):
    storage = getattr(request.app.state, "log_storage", None) or getattr(request.app.state, "other", None)
    if not storage:
        raise HTTPException(status_code=503, detail="not there")
    return {"rows": storage.rows, "known": request.app.state.plugin_registry.has_service("log_storage")}
"""
KEEPS = """
    async def _on_initialize(self):
        self.storage = Store()
        await self.storage.initialize()
        self.context.plugin_registry.register_service("log_storage", self.storage, self.manifest.name)

    async def _on_shutdown(self):
        await self.storage.queue.put(None)
        await self.storage.worker
"""
USES = """
    async def _on_initialize(self):
        registry = self.context["plugin_registry"]
        cost = await registry.get_service("pricing").calculate_cost(model_name="m", input_tokens=21)
        await registry.get_service("log_storage").queue.put({"cost": cost})
"""


async def test_prices_and_a_store_are_services_of_others(open_house: Any) -> None:
    fields = 'provides=["log_storage"], routes=[RouteSpec(router=router, prefix="/store", tags=["store"])]'
    plugins = {
        "a_user": system("a_user", USES, 'requires=["pricing", "log_storage"]'),
        "prices": system("prices", UPDATES, 'provides=["pricing"]', PRICES),
        "store": system("store", KEEPS, fields, STORES),
    }
    house = await open_house(plugins=plugins)
    assert (await house.status())["services"] == {"log_storage": "store", "pricing": "prices"}

    async def read() -> Any:
        async with house.gateway.caller() as caller:
            return (await caller.get("/store/rows")).json

    assert await until(read, lambda told: told["rows"] != []) == {"rows": [{"cost": 42}], "known": True}
    assert (await house.member("prices").runtime.health_check())["details"] == {"running": True}


TRACES = """
from ccproxy.core.plugins.hooks.implementations import HTTPTracerHook
from ccproxy.core.plugins.hooks.implementations.formatters import JSONFormatter, RawHTTPFormatter
"""
TRACER = """
    async def _on_initialize(self):
        folder = self.context.config.name
        settings = self.context.get("settings")
        assert getattr(settings.logging, "plugin_log_base_dir", None) is None
        self.context.hook_registry.register(HTTPTracerHook(
            json_formatter=JSONFormatter(log_dir=folder, verbose_api=True, json_logs_enabled=True,
                                         redact_sensitive=True, truncate_body_preview=1024),
            raw_formatter=RawHTTPFormatter(log_dir=folder, enabled=True, log_client_request=True,
                                           log_client_response=True, log_provider_request=True,
                                           log_provider_response=True, max_body_size=1000,
                                           exclude_headers=["x-hidden"]),
            enabled=True,
        ))
"""


async def _copy(seen: list[Any]) -> list[Any]:
    return list(seen)


async def test_requests_are_traced_without_credentials(open_house: Any, upstream: Upstream, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    house = await open_house(
        plugins={"tracer": system("tracer", TRACER, before=TRACES)},
        upstreams=[link(upstream)],
        environ={"PLUGINS__TRACER__NAME": str(folder)},
    )
    async with house.gateway.caller(**{"x-hidden": "mine-alone"}) as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}
        assert (await caller.post("/v1/chat/completions", body)).status == 200
    files = await until(partial(read_files, folder), lambda found: len(found) == 8)
    written = {name.split("_", 3)[3]: text for name, text in files.items()}
    sides = {
        f"{side}_{kind}.{end}"
        for side in ("client", "provider")
        for kind in ("request", "response")
        for end in ("http", "json")
    }
    assert set(written) == sides
    assert "mine-alone" not in written["client_request.http"]
    assert house.gateway.api_key not in repr(written)


PAGES = """
from pathlib import Path
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

router = APIRouter()

@router.get("/board")
async def board() -> HTMLResponse:
    return HTMLResponse((Path(__file__).parent / "index.html").read_text(), headers={"Cache-Control": "no-store"})
"""
MOUNTS = """
    async def _on_initialize(self):
        app = self.context.get("app")
        assert hasattr(app, "mount")
        place = Path(__file__).parent
        (place / "index.html").write_text("<h1>board</h1>")
        app.mount("/board/assets", StaticFiles(directory=str(place)), name="board-static")
"""


async def test_pages_and_static_files_are_served(open_house: Any) -> None:
    fields = 'routes=[RouteSpec(router=router, prefix="", tags=["board"])]'
    house = await open_house(plugins={"board": system("board", MOUNTS, fields, PAGES)})
    async with house.gateway.caller() as caller:
        page = await caller.get("/board")
        assert (page.status, page.body, page.headers["cache-control"]) == (200, b"<h1>board</h1>", "no-store")
        assert (await caller.get("/board/assets/index.html")).body == b"<h1>board</h1>"
        caller.drop_header("authorization")
        assert (await caller.get("/board/assets/index.html")).status == 401
