"""What the admin API tells of plugins."""

from __future__ import annotations

from jackfield.testing.gateway import RunningGateway

from .admin import CHAT, refused
from .plugins import BROKEN, GREETER, PLUGINS, QUIET, StartGateway

NATIVE = ["quiet", "quiet", "1", "native", "inprocess", "folder", "active", None]
# Built-in plugins that wait until an operator enables them.
SPARE = frozenset({"access_log", "analytics", "max_tokens", "metrics", "pricing", "request_tracer"})
FIELDS = ["id", "name", "version", "dialect", "runtime", "source", "state", "reason"]


async def test_every_plugin_is_listed_also_one_that_failed_or_is_off(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        plugins={"greeter": GREETER, "broken": BROKEN, "off": "raise SystemExit"},
        environ={"JACKFIELD_PLUGINS__CONFIG__OFF__ENABLED": "false"},
    )
    listed = (await gateway.admin(PLUGINS)).json
    states = {plugin["id"]: plugin["state"] for plugin in listed["plugins"]}
    builtin = dict.fromkeys(("openai", "anthropic", "echo", "mcp"), "active") | dict.fromkeys(SPARE, "disabled")
    assert states == builtin | {"greeter": "active", "broken": "failed", "off": "disabled"}
    assert listed["generation"] == 1
    by_id = {plugin["id"]: plugin for plugin in listed["plugins"]}
    assert "SyntaxError" in by_id["broken"]["reason"]
    assert {name for name, plugin in by_id.items() if not plugin["enabled"]} == {"off", *SPARE}
    assert by_id["greeter"] == await gateway.plugin("greeter")


async def test_a_plugin_is_told_with_hooks_config_and_statistics(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", CHAT)
        stopping = CHAT | {"messages": [{"role": "user", "content": "stop"}]}
        assert (await caller.post("/v1/chat/completions", stopping)).status == 429
    told = await gateway.plugin("greeter")
    assert [told[key] for key in FIELDS] == ["greeter", "greeter", "1.2.3", *NATIVE[3:]]
    assert told["place"].endswith("plugins/greeter")
    assert len(told["digest"]) == 64
    hooks = {hook["hook"]: hook for hook in told["hooks"]}
    assert (hooks["check"]["point"], hooks["check"]["priority"]) == ("pre_flight", 7)
    assert [hooks[name]["on_failure"] for name in ("check", "look")] == ["open", "closed"]
    assert all(hook["timeout_ms"] > 0 and "chat" in hook["operations"] for hook in hooks.values())
    assert told["config"] == {"greeting": "hello", "api_key": "***", "salt": "**********"}
    assert set(told["ui_schema"]["properties"]) == {"greeting", "api_key", "salt"}
    assert told["permissions"] == {"asked": [], "approved": [], "difference": []}
    assert told["process"] is None
    stats = told["stats"]
    assert [stats[key] for key in ("calls", "errors", "blocks", "timeouts")] == [2, 0, 1, 0]
    assert 0 < stats["p50_ms"] <= stats["p95_ms"] <= stats["p99_ms"]


async def test_the_fields_of_the_ring_guide_are_there_where_all_hooks_agree(start_gateway: StartGateway) -> None:
    one_hook = """
        from jackfield.sdk import Plugin, hook

        class Watcher(Plugin):
            @hook("response_body", on_failure="open", timeout_ms=20)
            async def look(self, exchange):
                return None
    """
    gateway = await start_gateway(plugins={"greeter": GREETER, "watcher": one_hook})
    names = ("type", "hook", "timeout_ms", "fail_policy", "enabled")
    watcher, greeter = await gateway.plugin("watcher"), await gateway.plugin("greeter")
    assert [watcher[name] for name in names] == ["python", "post_flight", 20, "open", True]
    assert [greeter[name] for name in names] == ["python", None, 500, None, True]


async def test_the_statistics_of_all_by_name(start_gateway: StartGateway) -> None:
    named = 'id = "{}"\nname = "The Quiet"\n'
    gateway = await start_gateway(plugins={"greeter": GREETER})
    async with gateway.caller() as caller:
        await caller.post("/v1/chat/completions", CHAT)
    await put_twins(gateway, named)
    stats = (await gateway.admin(f"{PLUGINS}/stats")).json
    assert stats["greeter"] == (await gateway.plugin("greeter"))["stats"]
    assert stats["greeter"]["calls"] == 1
    assert set(stats) == {"openai", "anthropic", "echo", "mcp", "greeter", "one", "two", *SPARE}


async def put_twins(gateway: RunningGateway, manifest: str) -> None:
    """Two plugins of one display name, so that neither can be told by it."""
    from .plugins import done, put

    for name in ("one", "two"):
        put(gateway, name, QUIET, jackfield_toml=manifest.format(name))
    await done(gateway, "hot-swap")
    told = refused(await gateway.admin(f"{PLUGINS}/The%20Quiet"), 404, "not_found")
    assert "one" in told
    assert "two" in told


async def test_quarantine_is_told_as_a_state(start_gateway: StartGateway) -> None:
    failing = """
        from jackfield.sdk import Plugin, hook

        class Failing(Plugin):
            @hook("pre_flight", on_failure="open")
            async def fail(self, exchange):
                if not exchange.synthetic:
                    raise KeyError("what")
    """
    gateway = await start_gateway(plugins={"failing": failing})
    async with gateway.caller() as caller:
        for _ in range(5):
            assert (await caller.post("/v1/chat/completions", CHAT)).status == 200
    told = await gateway.plugin("failing")
    assert (told["state"], told["enabled"]) == ("quarantined", True)
    assert "KeyError" in told["reason"]


async def test_coverage_tells_which_plugin_sees_what(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"greeter": GREETER})
    rows = (await gateway.admin("/api/v1/coverage")).json["data"]
    seen = {(row["hook"], row["operation"]): (row["whole"], row["streamed"]) for row in rows}
    assert seen["check", "chat"] == (True, "seen")
    assert seen["check", "embeddings"] == (True, None)
    assert seen["look", "chat"] == (False, "seen")
    assert seen["look", "embeddings"] == (False, None)
