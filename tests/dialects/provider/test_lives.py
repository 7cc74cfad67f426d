"""How providers come into service, fall out of it, and come back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from jackfield.testing.gateway import RunningGateway
from jackfield.testing.waiting import until

from .gateways import OpenGateway
from .manifests import manifest, write_plugin
from .stub import METADATA, Reply, Stub, answer, fault
from .test_serving import chat, listed

SCHEMA = {
    "config_schema": [
        {"name": "api_key", "type": "string", "required": True, "sensitive": True},
        {"name": "endpoint", "type": "string", "default": "https://api.example.com"},
        {"name": "timeout", "type": "int", "default": 30, "validation": {"min": 1, "max": 300}},
    ]
}
ILL = answer({"healthy": False, "message": "DB down"})
WELL = answer({"healthy": True, "timestamp": "2026-01-21T10:00:00"})
SECRET = "hunter-seventeen"


async def becomes(gateway: RunningGateway, name: str, state: str, *, within: float = 5.0) -> dict[str, Any]:
    return await until(lambda: gateway.plugin(name), lambda found: found["state"] == state, within=within)


async def change(gateway: RunningGateway, path: str, body: dict[str, Any], status: int = 200) -> Any:
    called = await gateway.admin(f"/api/v1/plugins/{path}", "PUT" if path.endswith("config") else "POST", body)
    assert called.status == status, called.body
    return called.json


async def swap(gateway: RunningGateway, name: str, status: int = 200) -> Any:
    return await change(gateway, "hot-swap", {"names": [name]}, status)


async def test_it_is_loaded_looked_at_and_unloaded_in_the_order_of_the_guide(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    stub.replies["/metadata"] = answer({"name": "Stub", "version": "1.0.0", "provider_type": "stub"})
    gateway = await open_gateway({"test": manifest(stub.url)})
    found = await gateway.plugin("test")
    assert (found["state"], found["dialect"], found["runtime"]) == ("active", "provider", "http")
    assert found["process"]["condition"] == "healthy"
    assert (await gateway.plugin("stub"))["id"] == "test"
    await change(gateway, "toggle", {"name": "test", "enabled": False})
    await stub.reached("/cleanup")
    told = list(dict.fromkeys(stub.paths()))
    assert told == ["/metadata", "/initialize", "/health", "/models", "/cleanup"]
    assert stub.paths().count("/initialize") == 1
    assert (await gateway.plugin("test"))["state"] == "disabled"
    assert await listed(gateway) == ["echo"]


async def test_its_config_reaches_it_whole_and_its_secret_nobody_else(
    open_gateway: OpenGateway, stub: Stub, capfd: pytest.CaptureFixture[str]
) -> None:
    stub.replies["/chat/completions"] = fault(401, "authentication_failed", f"the key {SECRET} is wrong")
    stub.replies["/health"] = answer({"healthy": False, "message": f"{SECRET} was refused"})
    config = {"stub": {"api_key": SECRET, "extra": 1}}
    gateway = await open_gateway({"test": manifest(stub.url, metadata=SCHEMA)}, config)
    sent = stub.last("/initialize").json
    assert sent == {"api_key": SECRET, "endpoint": "https://api.example.com", "timeout": 30, "extra": 1}
    found = await gateway.admin("/api/v1/plugins/test")
    assert found.json["config"]["api_key"] == "***"
    assert found.json["config"]["timeout"] == 30
    assert found.json["reason"] == "unhealthy: *** was refused"
    config_page = await gateway.admin("/api/v1/plugins/test/config")
    stub.replies["/health"] = WELL
    await becomes(gateway, "test", "active")
    called = await chat(gateway)
    assert called.status == 502
    shown = b"".join((found.body, config_page.body, called.body)).decode() + "".join(capfd.readouterr())
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("config", "told"),
    [({}, "api_key: is required"), ({"api_key": "k", "timeout": 500}, "timeout: must be at most 300, not 500")],
)
async def test_a_config_that_does_not_fit_is_not_sent(
    open_gateway: OpenGateway, stub: Stub, config: dict[str, Any], told: str
) -> None:
    gateway = await open_gateway({"test": manifest(stub.url, metadata=SCHEMA)}, {"test": config})
    found = await gateway.plugin("test")
    assert found["state"] == "failed"
    assert "config_invalid" in found["reason"]
    assert told in found["reason"]
    assert stub.asked == []
    refused = await gateway.admin("/api/v1/plugins/test/config", "PUT", {"timeout": 0})
    assert refused.status == 422
    assert "timeout: must be at least 1" in refused.body.decode()


async def test_one_that_is_not_there_yet_delays_nobody_and_is_found_later(open_gateway: OpenGateway) -> None:
    stub = Stub()
    await stub.start()
    await stub.stop()
    began = time.monotonic()
    gateway = await open_gateway({"test": manifest(stub.url)})
    assert time.monotonic() - began < 3
    found = await gateway.plugin("test")
    assert found["state"] == "degraded"
    assert found["reason"].startswith(f"endpoint_unreachable: nothing answers at {stub.url}")
    assert await listed(gateway) == ["echo"]
    async with stub:
        await becomes(gateway, "test", "active")
        assert await listed(gateway) == ["echo", "stub-1"]
        assert (await chat(gateway)).status == 200


async def test_an_ill_one_is_told_of_by_the_load_and_served_once_it_is_well(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    stub.replies["/health"] = ILL
    gateway = await open_gateway({})
    write_plugin(gateway.folder / "plugins" / "test", manifest(stub.url))
    told = await change(gateway, "hot-swap", {})
    assert told["notes"] == ["test is degraded: unhealthy: DB down"]
    assert await listed(gateway) == ["echo"]
    called = await chat(gateway)
    assert (called.status, called.json["error"]["code"]) == (503, "unavailable")
    stub.replies["/health"] = WELL
    await becomes(gateway, "test", "active")
    assert await listed(gateway) == ["echo", "stub-1"]
    assert stub.paths().count("/initialize") == 1


async def test_three_failures_in_a_row_take_it_out_and_one_success_brings_it_back(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    gateway = await open_gateway({"test": manifest(stub.url, health_check_interval=1)})
    generation = (await gateway.plugin("test"))["generation"]
    stub.replies["/health"] = [ILL, ILL, WELL]
    await stub.reached("/health", 4)
    assert (await gateway.plugin("test"))["state"] == "active"
    stub.replies["/health"] = ILL
    found = await becomes(gateway, "test", "degraded", within=8)
    assert found["process"]["consecutive_failures"] >= 3
    assert await listed(gateway) == ["echo"]
    assert (await chat(gateway)).status == 503
    stub.replies["/health"] = WELL
    found = await becomes(gateway, "test", "active", within=8)
    assert await listed(gateway) == ["echo", "stub-1"]
    assert found["generation"] == generation


@pytest.mark.parametrize(
    ("path", "reply", "reason"),
    [
        ("/metadata", answer(METADATA | {"provider_type": "other"}), "provider_type_mismatch: provider type mismatch"),
        ("/metadata", answer(METADATA | {"plugin_api_version": "2.0.0"}), "api_version_incompatible: 2.0.0"),
        ("/metadata", answer({"name": "X"}), "metadata_invalid: GET /metadata: provider_type: missing"),
        ("/metadata", Reply(404, b"<html>Not Found</html>", "text/html"), "metadata_invalid: GET /metadata:"),
        ("/metadata", Reply(302, headers={"location": "/a"}), "metadata_invalid: GET /metadata: status 302"),
        ("/metadata", Reply(body=b"not JSON"), "metadata_invalid: GET /metadata: it answered what is not JSON"),
        ("/initialize", fault(401, "authentication_failed", "bad key"), "initialize_rejected: authentication_failed"),
        ("/initialize", Reply(500, b"oops", "text/plain"), "initialize_rejected: status 500: oops"),
        ("/health", ILL, "unhealthy: DB down"),
        ("/health", answer({"ok": True}), "unhealthy: it answered no health"),
        ("/health", Reply(500, b"oops", "text/plain"), "unhealthy: status 500: oops"),
    ],
)  # fmt: skip
async def test_each_reason_is_told_and_it_is_tried_again(
    open_gateway: OpenGateway, stub: Stub, path: str, reply: Reply, reason: str
) -> None:
    right, stub.replies[path] = stub.replies[path], reply
    gateway = await open_gateway({"test": manifest(stub.url)})
    found = await gateway.plugin("test")
    assert found["state"] == "degraded"
    assert found["reason"].startswith(reason), found["reason"]
    if path == "/metadata":
        assert "/initialize" not in stub.paths()
    stub.replies[path] = right
    await becomes(gateway, "test", "active")


async def test_the_least_that_a_provider_can_be(open_gateway: OpenGateway, stub: Stub) -> None:
    for path in ("/initialize", "/models", "/cleanup"):
        del stub.replies[path]
    link = {"name": "mine", "provider": "test", "models": ["stub-1"]}
    gateway = await open_gateway({"test": manifest(stub.url)}, upstreams=[link])
    assert (await gateway.plugin("test"))["state"] == "active"
    assert (await chat(gateway)).status == 200


async def test_of_two_with_one_type_the_second_is_reported(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"first": manifest(stub.url), "second": manifest(stub.url, auto_start=False)})
    refused = await change(gateway, "toggle", {"name": "second", "enabled": True}, 409)
    told = "duplicate_provider_type: the provider type 'stub' is already loaded, by plugin first"
    assert told in json.dumps(refused)
    assert (await gateway.plugin("first"))["state"] == "active"


async def test_without_auto_start_nobody_is_asked_until_it_is_enabled(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url, auto_start=False)})
    found = await gateway.plugin("test")
    assert (found["state"], stub.asked) == ("disabled", [])
    await change(gateway, "toggle", {"name": "test", "enabled": True})
    assert (await gateway.plugin("test"))["state"] == "active"


async def test_an_endpoint_that_is_another_gateway_is_named_as_that(open_gateway: OpenGateway, tmp_path: Path) -> None:
    gateway = await open_gateway({})
    write_plugin(tmp_path / "plugins" / "test", manifest(gateway.url))
    told = await change(gateway, "hot-swap", {})
    assert "endpoint_is_gateway" in told["notes"][0]
    assert "give the provider another port" in told["notes"][0]


async def test_one_that_was_restarted_is_initialized_again(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    await stub.stop()
    called = await chat(gateway)
    assert (called.status, called.json["error"]["code"]) == (503, "provider_unavailable")
    await becomes(gateway, "test", "degraded")
    assert (await chat(gateway)).status == 503
    stub.asked.clear()
    await stub.start()
    await becomes(gateway, "test", "active")
    assert list(dict.fromkeys(stub.paths()))[:2] == ["/metadata", "/initialize"]
    assert (await chat(gateway)).status == 200


async def test_a_dead_one_is_unloaded_too(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    await stub.stop()
    await change(gateway, "toggle", {"name": "test", "enabled": False})
    assert (await gateway.plugin("test"))["state"] == "disabled"


async def test_a_new_config_is_sent_and_one_that_is_rejected_leaves_the_old(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    gateway = await open_gateway({"test": manifest(stub.url, metadata=SCHEMA)}, {"test": {"api_key": "first-key"}})
    await change(gateway, "test/config", {"api_key": "second-key"})
    assert stub.last("/initialize").json["api_key"] == "second-key"

    async def choose(asked: Any) -> Reply:
        return answer({}) if asked.json["api_key"] != "third-key" else fault(401, "authentication_failed", "no")

    stub.replies["/initialize"] = choose
    refused = await change(gateway, "test/config", {"api_key": "third-key"}, 409)
    assert "initialize_rejected" in json.dumps(refused)
    assert "third-key" not in json.dumps(refused)
    await becomes(gateway, "test", "active")

    async def last_key() -> str:
        return str(stub.last("/initialize").json["api_key"])

    await until(last_key, lambda key: key == "second-key")
    assert (await chat(gateway)).status == 200


async def test_an_edit_is_taken_in_and_a_broken_one_keeps_the_old_serving(
    open_gateway: OpenGateway, stub: Stub
) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    folder = gateway.folder / "plugins" / "test"
    async with Stub() as other:
        write_plugin(folder, manifest(other.url, metadata={"description": "elsewhere"}))
        await swap(gateway, "test")
        assert (await chat(gateway)).status == 200
        assert "/chat/completions" in other.paths()
        other.replies["/health"] = ILL
        for broken in ("{", manifest(other.url, metadata={"provider_type": "x"}), manifest(stub.url, type=None)):
            write_plugin(folder, broken)
            refused = await gateway.admin("/api/v1/plugins/hot-swap", "POST", {"names": ["test"]})
            assert refused.status in (409, 422), refused.body
            assert (await chat(gateway)).status == 200
        assert (await gateway.plugin("test"))["state"] == "active"


async def test_a_change_to_one_that_is_ill_is_refused(open_gateway: OpenGateway, stub: Stub) -> None:
    gateway = await open_gateway({"test": manifest(stub.url)})
    async with Stub() as other:
        other.replies["/health"] = ILL
        write_plugin(gateway.folder / "plugins" / "test", manifest(other.url))
        refused = await swap(gateway, "test", 409)
        assert "unhealthy: DB down" in json.dumps(refused)
        assert (await chat(gateway)).status == 200
        assert "/chat/completions" in stub.paths()


async def test_one_that_hangs_delays_no_other(open_gateway: OpenGateway, stub: Stub) -> None:
    async with Stub(provider_type="slow") as slow:
        slow.replies["/metadata"] = Reply(pieces=[30.0])
        began = time.monotonic()
        plugins = {"slow": manifest(slow.url, metadata={"provider_type": "slow"}), "test": manifest(stub.url)}
        gateway = await open_gateway(plugins)
        assert time.monotonic() - began < 4
        assert (await gateway.plugin("slow"))["state"] == "degraded"
        assert (await chat(gateway)).status == 200


async def test_each_folder_is_one_and_what_is_deeper_or_a_tools_is_none(
    open_gateway: OpenGateway, tmp_path: Path
) -> None:
    off = {"auto_start": False}
    for place in ("a", "b", "My Provider", "node_modules", ".hidden", "venv", "c/deeper"):
        write_plugin(tmp_path / "plugins" / place, manifest(**off, metadata={"provider_type": place[-1]}))
    write_plugin(tmp_path / "plugins" / "json", manifest(**off, metadata={"provider_type": "j"}), "plugin.json")
    write_plugin(tmp_path / "plugins" / "broken", "{", "plugin.json")
    write_plugin(tmp_path / "plugins" / "none", "hello", "config.json")
    gateway = await open_gateway({})
    found = (await gateway.admin("/api/v1/plugins")).json["plugins"]
    states = {one["id"]: one["state"] for one in found if one["dialect"] == "provider"}
    assert states == {"a": "disabled", "b": "disabled", "my-provider": "disabled", "json": "disabled",
                      "broken": "failed"}  # fmt: skip
    assert "manifest_parse" in (await gateway.plugin("broken"))["reason"]
    assert (await gateway.plugin("My%20Provider"))["id"] == "my-provider"


@pytest.mark.parametrize("depth", [200, 800, 100_000])
async def test_health_nested_without_end_does_not_end_the_watch(
    open_gateway: OpenGateway, stub: Stub, depth: int
) -> None:
    nested = b"[" * depth + b"]" * depth
    stub.replies["/health"] = answer({"healthy": False})
    gateway = await open_gateway({"test": manifest(stub.url)})
    stub.replies["/health"] = Reply(body=b'{"healthy": true, "details": {"a": %s}}' % nested)
    await stub.reached("/health", stub.paths().count("/health") + 2)
    assert "nested" in (await gateway.plugin("test"))["reason"]
    stub.replies["/health"] = WELL
    await becomes(gateway, "test", "active")
