"""The API as JavaScript sees it: one plugin whose tool runs what a test gives it, in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jackfield.sdk.caller import Caller

from .fakes import json_answer
from .house import ALICE, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBE = """
    import type { Plugin, PluginAPI, PluginManifest } from "../../src/core/plugins";

    const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
    const seen: any[] = [];

    export default function createPlugin(manifest: PluginManifest): Plugin {
      return {
        async onLoad(api: PluginAPI) {
          for (const name of ["run", "later"]) {
            api.registerTool({
              name,
              description: "Runs code",
              inputSchema: { type: "object" as const, properties: { code: { type: "string" } }, required: ["code"] },
              handler: async (input, context) => {
                const run = new AsyncFunction("api", "context", "manifest", "seen", input.code as string);
                try {
                  return { success: true, result: await run(api, context, manifest, seen) };
                } catch (error) {
                  return { success: false, result: null, error: `${error.constructor.name}: ${error.message}` };
                }
              },
            });
          }
        },
      };
    }
"""
OTHER = """
    exports.createPlugin = () => ({
      onLoad(api) {
        api.registerTool({
          name: "add",
          inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } },
          handler: async ({ a, b }, context) => ({ success: true, result: { sum: a + b, for: context.userId } }),
        });
      },
    });
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    house = House(Path(tmp_path_factory.mktemp("probe")))
    house.write("probe", PROBE)
    house.write("poor", PROBE, permissions=["tools:register"], dependencies=["probe"])
    house.write("other", OTHER, main="index.js")
    house.answers["https://api.example.com/data"] = json_answer("https://api.example.com/data", b'{"v": 1}')
    house.answers["https://api.example.com/text"] = json_answer("", b"plain", kind="text/plain")
    house.answers["https://api.example.com/bad"] = json_answer("https://api.example.com/bad", b"{")
    plugins = await house.start({"probe": {"api_key": "k-1", "limits": {"most": [1, 2]}, "number": 3}})
    assert {name: plugin.reason for name, plugin in plugins.items()} == dict.fromkeys(("probe", "poor", "other"))
    yield house
    await house.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def probe(open_house: House) -> House:
    """Each test has a minute of its own."""
    open_house.clock.advance(61)
    return open_house


async def run(house: House, code: str, caller: Caller = ALICE, *, plugin: str = "probe") -> Any:
    return await house.ask(plugin, "run", caller, code=code)


async def refusal(house: House, code: str, caller: Caller = ALICE, *, plugin: str = "probe") -> str:
    reply = await house.call(f"plugin_{plugin}_run", caller, code=code)
    assert not reply.success, reply.result
    return str(reply.error)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("return [api.pluginId, api.manifest.id, api.manifest.version, manifest.name]",
         ["probe", "probe", "1.0.0", "Probe"]),
        ("return [context.pluginId, context.userId, context.conversationId, context.permissions.length]",
         ["probe", "alice", "talk", 12]),
        ("return [context.signal instanceof AbortSignal, context.signal.aborted]", [True, False]),
        ("return [api.config.get('api_key', 'x'), api.config.get('none', 'default_value'), api.config.get('number')]",
         ["k-1", "default_value", 3]),
        ("api.config.get('limits').most.push(3); return api.config.get('limits')", {"most": [1, 2]}),
        ("await api.storage.set('my_key', { data: 'value' }); return await api.storage.get('my_key')",
         {"data": "value"}),
        ("return await api.storage.get('missing')", None),
        ("await api.storage.set('n', 42, { scope: 'user', namespace: 'stats' });"
         "return [await api.storage.get('n'), await api.storage.get('n', { scope: 'user' }),"
         " await api.storage.get('n', { scope: 'user', namespace: 'stats' })]", [None, None, 42]),
        ("await api.storage.set('gone', 1); await api.storage.delete('gone'); await api.storage.delete('gone');"
         "return await api.storage.get('gone')", None),
        ("for (const key of ['cache_b', 'cache_a', 'c*', 'other']) await api.storage.set(key, 1, { namespace: 'l' });"
         "const list = (prefix) => api.storage.list(prefix, { namespace: 'l' });"
         "return [await list('cache_'), await list('c*')]",
         [["cache_a", "cache_b"], ["c*"]]),
        ("await api.storage.set('b:c', 1, { namespace: 'a' }); return await api.storage.get('c', { namespace: 'a:b' })",
         None),
        ("await api.storage.set('k', 1, { namespace: 'x' }); await api.storage.clear({ namespace: '*' });"
         "await api.storage.clear(); return await api.storage.get('k', { namespace: 'x' })", 1),
        ("const at = new Date(0); await api.storage.set('d', { at, list: [at] });"
         "const got = await api.storage.get('d');"
         "return [got.at instanceof Date, got.at.toISOString(), got.list[0].getTime()]",
         [True, "1970-01-01T00:00:00.000Z", 0]),
        ("await api.storage.set('b', { raw: new Uint8Array([1, 2]), big: 2n ** 60n, tag: { $date: 'no' } });"
         "const got = await api.storage.get('b'); return [[...got.raw], String(got.big), got.tag]",
         [[1, 2], "1152921504606846976", {"$date": "no"}]),
        ("const { get, set } = api.storage; await set('detached', 1); return await get('detached')", 1),
        ("const { registerTool, unregisterTool } = api; registerTool({ name: 'x', handler() {} }); unregisterTool('x');"
         "unregisterTool('never'); return null", None),
        ("const response = await api.http.get('https://api.example.com/data');"
         "return [response.status, response.statusText, response.headers['content-type'], response.body]",
         [200, "OK", "application/json", {"v": 1}]),
        ("return (await api.http.post('https://api.example.com/text', { key: 'value' }, { a: 'b' })).body", "plain"),
        ("const id = await api.memory.create('alice', 'User prefers dark mode', 'semantic', 7);"
         "const [found] = await api.memory.search('dark mode', 'alice', 5);"
         "return [found.id === id, found.type, found.importance, found.similarity, found.createdAt.toISOString()]",
         [True, "semantic", 7, 0.75, "2026-01-02T12:00:00.000Z"]),
        ("const user = await api.users.get('alice');"
         "return [user.id, user.name, user.createdAt instanceof Date, await api.users.getPreferences('alice')]",
         ["alice", "Alice", True, {"language": "en"}]),
        ("return await api.executeTool('plugin_other_add', { a: 1, b: 2 }, { userId: 'eve', permissions: [] })",
         {"success": True, "result": {"sum": 3, "for": "alice"}}),
        ("return await api.executeTool('web_search', { query: 'x' })",
         {"success": False, "result": None, "error": "Unknown tool: web_search"}),
        ("return await api.executeTool('later', { code: 'return 1' })", {"success": True, "result": 1}),
        ("return { nothing: undefined, list: [undefined], nan: NaN, map: new Map([['a', 1]]), set: new Set([1]) }",
         {"list": [None], "nan": None, "map": {"a": 1}, "set": [1]}),
        ("return undefined", None),
    ],
)  # fmt: skip
async def test_each_part_of_the_api(probe: House, code: str, wanted: object) -> None:
    assert await run(probe, code) == wanted


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "await api.storage.set('k', undefined)",
            "TypeError: storage.set k: undefined is no value; use storage.delete",
        ),
        ("await api.storage.get('k', { scope: 'usr' })", "the scope is 'plugin' or 'user', not 'usr'"),
        ("await api.storage.get('k', { scop: 'user' })", "there is no option 'scop'"),
        ("await api.storage.set('k', () => 1)", "TypeError"),
        ("await api.http.get('https://elsewhere.example.com/')", "may not be reached"),
        ("await api.http.get('https://api.example.com/bad')", "the answer of https://api.example.com/bad is no JSON"),
        ("await api.http.request({ url: 'https://api.example.com/data', timeout: '5s' })", "timeout is milliseconds"),
        ("await api.storage.get(5)", "Error: key: is int, not text"),
        ("await api.storage.set('k'.repeat(600), 1)", "Error: key: has 600 bytes, of at most 512"),
        ("const a = {}; a.a = a; await api.storage.set('a', a)", "TypeError: values are nested deeper than 128"),
        ("await api.executeTool()", "Error: a tool is executed by its name, a text"),
        ("await api.executeTool('x', 'text')", "Error: a tool is executed by its name, a text"),
        ("await api.scheduler.schedule('x', 'every day', () => {})", "no cron expression"),
        ("await api.scheduler.schedule('x', 0, () => {})", "neither milliseconds nor five fields of cron"),
        ("await api.scheduler.schedule('x', 60000)", "TypeError: scheduler.schedule x: the handler must be a function"),
        ("await api.users.get('bob')", "Plugin probe does not have 'users:any' permission"),
        ("await api.memory.search('x', 'bob')", "Plugin probe does not have 'users:any' permission"),
        ("api.registerTool({ name: 'run', handler() {} })", "Error: Tool run is already registered by plugin probe"),
        ("api.registerTool({ name: 'a b!', handler() {} })", "TypeError: a tool's name is letters, digits, _ and -"),
        ("api.registerTool({ name: 'x'.repeat(60), handler() {} })", "has more than 64 characters"),
        ("api.registerTool({ name: 'x' })", "TypeError: Tool x: the handler must be a function"),
        ("api.events.on('x', 1)", "TypeError: events.on x: the handler must be a function"),
        ("api.events.emit('x', 'text')", "TypeError: events.emit x: data is an object"),
        ("api.manifest.permissions.push('users:any')", "TypeError: Cannot add property"),
        ("'use strict'; api.storage = null", "TypeError: Cannot assign to read only property 'storage'"),
    ],
)
async def test_what_is_wrong_is_an_error_that_says_so(probe: House, code: str, told: str) -> None:
    assert told in await refusal(probe, code)


SYNC = [
    ("api.events.on('x', () => {})", "events:subscribe"),
    ("api.events.emit('x', {})", "events:emit"),
]
ASYNC = [
    ("api.executeTool('x', {})", "tools:execute"),
    ("api.memory.search('x', 'alice')", "memory:read"),
    ("api.memory.create('alice', 'x', 'semantic')", "memory:write"),
    ("api.storage.get('x')", "storage:read"),
    ("api.storage.list()", "storage:read"),
    ("api.storage.set('x', 1)", "storage:write"),
    ("api.storage.delete('x')", "storage:write"),
    ("api.storage.clear()", "storage:write"),
    ("api.http.get('https://api.example.com/')", "http:outbound"),
    ("api.scheduler.list()", "scheduler:read"),
    ("api.scheduler.schedule('x', 60000, () => {})", "scheduler:write"),
    ("api.scheduler.cancel('x')", "scheduler:write"),
    ("api.users.get('alice')", "users:read"),
    ("api.users.getPreferences('alice')", "users:read"),
]


@pytest.mark.parametrize(("call", "permission"), SYNC)
async def test_a_call_that_answers_at_once_throws_where_the_permission_is_missing(
    probe: House, call: str, permission: str
) -> None:
    told = await run(probe, f"try {{ {call}; }} catch (error) {{ return error.message; }}", plugin="poor")
    assert told == f"Plugin poor does not have '{permission}' permission"


@pytest.mark.parametrize(("call", "permission"), ASYNC)
async def test_a_call_that_is_awaited_rejects_where_the_permission_is_missing(
    probe: House, call: str, permission: str
) -> None:
    code = (
        f"let made; try {{ made = {call}; }} catch {{ return 'thrown'; }} return made.catch((error) => error.message);"
    )
    assert await run(probe, code, plugin="poor") == f"Plugin poor does not have '{permission}' permission"


async def test_the_manifest_of_one_that_tries_to_widen_it_stays_what_it_is(probe: House) -> None:
    code = "manifest.permissions.push('users:any'); return await api.users.get('bob')"
    assert "'users:any' permission" in await refusal(probe, code)


async def test_a_users_scope_is_that_of_the_call_across_awaits_and_side_by_side(probe: House) -> None:
    code = (
        "const mine = context.userId; await api.storage.set('who', mine, { scope: 'user' });"
        "for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 1));"
        "return await api.storage.get('who', { scope: 'user' })"
    )
    users = [f"user{number}" for number in range(10)]
    assert await asyncio.gather(*(run(probe, code, Caller(user=user)) for user in users)) == users


async def test_without_a_user_the_users_scope_is_refused(probe: House) -> None:
    told = await refusal(probe, "await api.storage.get('x', { scope: 'user' })", Caller())
    assert told == "Error: storage: the scope 'user' needs a user, and this runs on nobody's behalf"
    assert await run(probe, "return [context.userId, 'userId' in context]", Caller()) == [None, False]


async def test_tools_come_and_go_while_it_runs(probe: House) -> None:
    await run(
        probe,
        "api.registerTool({ name: 'late', handler: async () => ({ success: true, result: 1 }) })",
    )
    assert "plugin_probe_late" in probe.tools()
    assert await probe.ask("probe", "late") == 1
    await run(probe, "api.unregisterTool('late')")
    assert "plugin_probe_late" not in probe.tools()


async def test_a_schema_that_is_none_registered_late_is_told_in_the_log(
    probe: House, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(probe, "api.registerTool({ name: 'odd', inputSchema: { type: 'string' }, handler() {} })")
    assert "[Plugin:probe] registerTool: tool odd: the input schema must be of type object" in capsys.readouterr().out
    await run(probe, "api.unregisterTool('odd')")


async def test_events_are_told_with_their_dates_and_until_they_are_taken_off(probe: House) -> None:
    await run(
        probe,
        "globalThis.hear = ({ type, data, source, timestamp }) => seen.push([type, data.content, source, +timestamp]);"
        "globalThis.slow = async (event) => { await null; seen.push('slow'); };"
        "globalThis.fail = async () => { throw new Error('deaf'); };"
        "for (const handler of [hear, hear, fail, slow]) api.events.on('message:received', handler)",
    )
    await probe.bus.tell("message:received", {"content": "hi"})
    assert await run(probe, "return seen") == [["message:received", "hi", "system", 1767355200000], "slow"]
    await run(probe, "for (const one of [hear, fail, slow, () => {}]) api.events.off('message:received', one)")
    assert not [type_ for plugin, type_, _ in probe.bus.handlers if plugin == "probe"]


async def test_a_handler_may_refuse_a_tool_call_with_the_reason(probe: House) -> None:
    await run(probe, "globalThis.no = () => ({ refuse: 'not today' }); api.events.on('tool:before_execute', no)")
    (answer,) = await probe.bus.tell("tool:before_execute", {"toolName": "x"})
    assert answer.reason == "not today"
    await run(probe, "api.events.off('tool:before_execute', no)")


async def test_what_it_emits_is_its_own_whatever_it_says(probe: House) -> None:
    await run(probe, "api.events.emit('message:received', { content: 'forged', source: 'system' })")
    await run(probe, "api.events.emit('empty')")
    forged, empty = probe.bus.emitted[-2:]
    assert (forged.source, forged.data["content"], empty.data) == ("probe", "forged", {})


async def test_tasks_run_and_are_cancelled(probe: House) -> None:
    code = (
        "const every = await api.scheduler.schedule('refresh_data', 60000, async () => { seen.push('ran'); });"
        "await api.scheduler.schedule('often', 250, () => {});"
        "await api.scheduler.schedule('daily_report', '0 9 * * *', () => {});"
        "globalThis.every = every; return await api.scheduler.list()"
    )
    listed = await run(probe, code)
    assert [(task["name"], task["schedule"], task["pluginId"]) for task in listed] == [
        ("refresh_data", "60000", "probe"),
        ("often", "1000", "probe"),
        ("daily_report", "0 9 * * *", "probe"),
    ]
    assert [probe.agenda.when(name) for name in ("refresh_data", "often", "daily_report")] == [60.0, 1.0, "0 9 * * *"]
    await probe.agenda.run("refresh_data")
    assert (await run(probe, "return seen.pop()")) == "ran"
    assert await run(probe, "return [await api.scheduler.cancel(every), await api.scheduler.cancel(every)]") == [
        True,
        False,
    ]


async def test_a_request_goes_out_as_it_was_asked(probe: House) -> None:
    probe.asked.clear()
    await run(
        probe,
        "await api.http.request({ url: 'https://api.example.com/data', method: 'post', timeout: 5000,"
        " headers: new Headers({ Authorization: 'Bearer token' }), body: { key: 'value' } });"
        "await api.http.get(new URL('https://api.example.com/data')); await api.http.request({"
        " url: 'https://api.example.com/data', timeout: 60000, body: 'as it is' })",
    )
    first, second, third = probe.asked
    assert first == {
        "method": "POST",
        "url": "https://api.example.com/data",
        "headers": {"authorization": "Bearer token"},
        "body": {"key": "value"},
        "timeout_s": 5.0,
    }
    assert (second["method"], second["timeout_s"]) == ("GET", 10.0)
    assert (third["body"], third["timeout_s"]) == ("as it is", 10.0)


async def test_a_hundred_operations_a_minute_then_the_limit_is_named(probe: House) -> None:
    code = "for (let i = 0; i < 101; i++) await api.storage.get('x')"
    assert (await refusal(probe, code)).startswith("Error: Rate limit exceeded for plugin probe")
    assert (await run(probe, "return (await api.executeTool('none', {})).error")).startswith("Rate limit exceeded")


async def test_what_it_logs_has_the_prefix_and_no_debug_in_production(
    probe: House, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "api.logger.debug('hidden'); api.logger.info('one', { a: 1 }, [2]); api.logger.warn('two %s', 'x');"
        "api.logger.error(new Error('three').message);"
        "const odd = {}; odd.self = odd; api.logger.info(odd);"
        "api.logger.info({ [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('no'); } })"
    )
    await run(probe, code)
    lines = [line for line in capsys.readouterr().out.splitlines() if "[Plugin:probe]" in line]
    told = [line.partition("[Plugin:probe] ")[2].rpartition(" plugin=")[0].strip() for line in lines]
    assert told[:3] == ["one { a: 1 } [ 2 ]", "two x", "three"]
    assert "[Circular *1]" in told[3]
    assert told[4] == "(cannot be shown: no)"


async def test_a_rejection_that_nobody_handles_is_in_the_log_by_its_place_in_the_plugin(
    probe: House, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(probe, "Promise.reject(new Error('left alone'))")
    await run(probe, "await new Promise(setImmediate)")
    said = capsys.readouterr().out
    assert "[Plugin:probe] nobody handles that a promise was rejected: Error: left alone" in said
    assert "(index.ts:" in said
    assert str(probe.folder) not in said


async def test_a_flood_of_lines_does_not_stand_before_the_answer(probe: House) -> None:
    code = "for (let i = 0; i < 100000; i++) api.logger.info('again'); return 7"
    assert await asyncio.wait_for(run(probe, code, plugin="poor"), 5) == 7


async def test_an_error_object_in_the_answer_is_told_by_its_words(probe: House) -> None:
    code = (
        "api.registerTool({ name: 'failing', handler: async () => ({ success: false, error: new Error('in vain') }) })"
    )
    await run(probe, code)
    assert (await probe.call("plugin_probe_failing")).error == "in vain"
    await run(probe, "api.unregisterTool('failing')")


async def test_more_lines_than_a_log_can_bear_are_counted(probe: House, capsys: pytest.CaptureFixture[str]) -> None:
    await run(probe, "for (let i = 0; i < 1000; i++) api.logger.info(`line ${i}`)")
    assert capsys.readouterr().out.count("[Plugin:probe] line") == 200
    probe.clock.advance(61)
    await run(probe, "api.logger.info('after')")
    assert "800 lines were dropped: more than 200 in 10 s" in capsys.readouterr().out


async def test_the_host_checks_again_what_the_process_says(probe: House) -> None:
    """As a plugin would that spoke past its API."""
    plugin: Any = probe.plugin("poor").instance
    answers = plugin._answers
    with pytest.raises(PermissionError, match="storage:read"):
        await answers.answer("storage.get", ["x"])
    with pytest.raises(ValueError, match="the API has no '__class__'"):
        await answers.answer("__class__", [])
    answers.hear("emit", {"type": "system:shutdown", "data": {}})
    answers.hear("subscribe", {"type": "message:received"})
    answers.hear("registerTool", {"name": ["x"]})
    answers.hear("registerTool", None)
    assert not [event for event in probe.bus.emitted if event.source == "poor"]
    assert not [plugin for plugin, _, _ in probe.bus.handlers if plugin == "poor"]
