"""What the admin API tells of plugins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from jackfield.testing.gateway import RunningGateway

from .admin import CHAT, refused

StartGateway = Callable[..., Awaitable[RunningGateway]]

GREETER = """
    from jackfield.sdk import Plugin, PluginConfig, Reject, hook

    class GreeterConfig(PluginConfig):
        greeting: str = "hello"
        api_key: str = "open sesame"

    class Greeter(Plugin[GreeterConfig]):
        version = "1.2.3"

        @hook("pre_flight", on_failure="open", priority=7)
        async def check(self, exchange):
            if exchange.request.last_user_text() == "stop":
                return Reject(429, "stopped", "Stopped.")

        @hook("response_chunk", on_failure="closed")
        async def look(self, exchange, chunk):
            return None
"""


async def test_every_plugin_is_listed_also_one_that_failed_or_is_off(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        plugins={"greeter": GREETER, "broken": "1 +", "off": "raise SystemExit"},
        environ={"JACKFIELD_PLUGINS__CONFIG__OFF__ENABLED": "false"},
    )
    listed = (await gateway.admin("/api/v1/plugins")).json
    states = {plugin["id"]: plugin["state"] for plugin in listed["plugins"]}
    builtin = {"openai": "active", "anthropic": "active", "echo": "active"}
    assert states == builtin | {"greeter": "active", "broken": "failed", "off": "disabled"}
    assert listed["generation"] == 1
    by_id = {plugin["id"]: plugin for plugin in listed["plugins"]}
    assert "SyntaxError" in by_id["broken"]["reason"]
    assert by_id["greeter"] == await gateway.plugin("greeter")


async def test_a_plugin_is_told_with_hooks_config_and_statistics(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", CHAT)
        stopping = CHAT | {"messages": [{"role": "user", "content": "stop"}]}
        assert (await caller.post("/v1/chat/completions", stopping)).status == 429
    told = await gateway.plugin("greeter")
    assert [told[key] for key in ("id", "name", "version", "dialect", "runtime", "source", "state", "reason")] == [
        *("greeter", "greeter", "1.2.3", "native", "inprocess", "folder", "active", None)
    ]
    hooks = {hook["hook"]: hook for hook in told["hooks"]}
    assert (hooks["check"]["point"], hooks["check"]["priority"]) == ("pre_flight", 7)
    assert [hooks[name]["on_failure"] for name in ("check", "look")] == ["open", "closed"]
    assert all(hook["timeout_ms"] > 0 for hook in hooks.values())
    assert told["config"] == {"greeting": "hello", "api_key": "***"}
    assert set(told["ui_schema"]["properties"]) == {"greeting", "api_key"}
    stats = told["stats"]
    assert [stats[key] for key in ("calls", "errors", "blocks", "timeouts")] == [2, 0, 1, 0]
    assert 0 < stats["p50_ms"] <= stats["p95_ms"] <= stats["p99_ms"]


async def test_an_unknown_plugin_is_not_found(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    assert "nobody" in refused(await gateway.admin("/api/v1/plugins/nobody"), 404, "not_found")


async def test_coverage_tells_which_plugin_sees_what(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    rows = (await gateway.admin("/api/v1/coverage")).json["data"]
    seen = {(row["hook"], row["operation"]): (row["whole"], row["streamed"]) for row in rows}
    assert seen["check", "chat"] == (True, "seen")
    assert seen["check", "embeddings"] == (True, None)
    assert seen["look", "chat"] == (False, "seen")
    assert seen["look", "embeddings"] == (False, None)
