"""A plugin in Python that follows the guide in snake case: the same groups and the same rules."""

from __future__ import annotations

import pytest

from jackfield.sdk.caller import Caller

from .fakes import json_answer
from .house import ALICE, House

GUIDE = """
    def default(manifest):
        class MyPlugin:
            async def on_load(self, api):
                self.api = api
                api.register_tool({
                    "name": "my_tool",
                    "description": "Does something useful.",
                    "input_schema": {
                        "type": "object",
                        "properties": {"query": {"type": "string"}},
                        "required": ["query"],
                    },
                    "handler": self.handle,
                })
                api.logger.info("My plugin loaded successfully")

            async def handle(self, input, context):
                await self.api.storage.set("last_query", input["query"])
                return {"success": True, "result": {"output": f"Processed: {input['query']}"}}

            async def on_unload(self):
                self.api.logger.info("My plugin unloaded")

        return MyPlugin()
"""
PROBE = """
    def create_plugin(manifest):
        class Probe:
            def on_load(self, api):
                async def run(input, context):
                    try:
                        return {{"success": True, "result": await probe(api, context)}}
                    except Exception as error:
                        return {{"success": False, "error": f"{{type(error).__name__}}: {{error}}"}}
                api.register_tool(name="run", handler=run)
        return Probe()

    async def probe(api, context):
        {body}
"""


def probe(body: str) -> str:
    return PROBE.format(body=body.replace("\n", "\n        "))


async def test_the_plugin_of_step_3_in_python_works(house: House) -> None:
    house.write("my-plugin", GUIDE, main="index.py")
    plugins = await house.start()
    assert plugins["my-plugin"].state == "active"
    assert house.tools() == ["plugin_my-plugin_my_tool"]
    assert await house.ask("my-plugin", "my_tool", query="hello") == {"output": "Processed: hello"}
    reply = await house.call("plugin_my-plugin_my_tool", query=1)
    assert "query" in (reply.error or "")


async def test_without_main_an_index_py_is_found(house: House) -> None:
    house.write("my-plugin", GUIDE, main="index.py")
    (house.folder / "my-plugin" / "manifest.json").write_text(
        '{"id": "my-plugin", "name": "Mine", "version": "1.0.0", "permissions": ["tools:register"]}'
    )
    assert (await house.start())["my-plugin"].reason is None


@pytest.mark.parametrize(
    "code",
    [
        "def default(manifest): return Plugin()",
        "async def create_plugin(manifest): return Plugin()",
        "def createPlugin(manifest): return Plugin()",
        "plugin = Plugin()",
        "plugin = {'on_load': Plugin().on_load}",
        "class Other:\n    def __init__(self, manifest): assert manifest.name == manifest['name'] == 'Forms'\n"
        "    async def onLoad(self, api): api.register_tool(name='one', handler=print)\ndefault = Other",
    ],
)
async def test_each_form_of_export_is_taken(house: House, code: str) -> None:
    plugin = "class Plugin:\n    def on_load(self, api): api.register_tool(name='one', handler=print)\n"
    house.write("forms", plugin + code, main="index.py")
    assert (await house.start())["forms"].reason is None
    assert house.tools() == ["plugin_forms_one"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("x = 1", "Plugin broken does not export a valid factory or plugin object"),
        ("def default(manifest): return 3", "the factory made int without an on_load"),
        ("def default(manifest): raise KeyError('why')", "KeyError: 'why'"),
        ("plugin = type('P', (), {'on_load': lambda self, api: 1/0})()", "division by zero"),
        ("def default(:", "SyntaxError"),
    ],
)
async def test_one_that_does_not_load_is_listed_with_the_reason(house: House, code: str, told: str) -> None:
    house.write("broken", code, main="index.py")
    house.write("my-plugin", GUIDE, main="index.py")
    plugins = await house.start()
    assert (plugins["broken"].state, plugins["my-plugin"].state) == ("failed", "active")
    assert told in (plugins["broken"].reason or "")


async def test_modules_beside_it_are_its_own(house: House) -> None:
    place = house.write("split", "from .parts.words import plugin", main="src/main.py")
    (place / "src" / "parts").mkdir()
    (place / "src" / "parts" / "words.py").write_text(
        "class P:\n  def on_load(self, api): api.register_tool(name='one', handler=print)\nplugin = P()"
    )
    plugins = await house.start()
    assert plugins["split"].reason is None


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("return [context.user_id, context['conversationId'], context.plugin_id, context.permissions[:1]]",
         ["alice", "talk", "probe", ["tools:register"]]),
        ("return [api.plugin_id, api.manifest.id, api.manifest['version']]", ["probe", "probe", "1.0.0"]),
        ("api.manifest['permissions'].clear(); return len(api.manifest.permissions)", 12),
        ("return [api.config.get('word', 'none'), api.config.get('deep').get('list'), api.config.get('x', 7)]",
         ["hush", [1, 2], 7]),
        ("await api.storage.set('k', {'a': 1}); return await api.storage.get('k')", {"a": 1}),
        ("return await api.storage.get('missing')", None),
        ("await api.storage.set('k', 1, {'scope': 'user'}); return await api.storage.get('k')", None),
        ("await api.storage.set('k', 1, namespace='a'); await api.storage.clear(); "
         "return await api.storage.list('', namespace='a')", ["k"]),
        ("await api.storage.set('cache_1', 1); await api.storage.set('c*', 2); return await api.storage.list('c*')",
         ["c*"]),
        ("response = await api.http.get('https://api.example.com/data')\n"
         "return [response.status, response.status_text, response['headers']['content-type'], response.body]",
         [200, "OK", "application/json", {"v": 1}]),
        ("return (await api.http.post('https://api.example.com/text', {'key': 'value'})).body", "plain"),
        ("id = await api.memory.create('alice', 'likes tea', 'semantic', 7)\n"
         "(found,) = await api.memory.search('tea', 'alice', 5)\n"
         "return [found.id == id, found.content, found.type, found.importance, found.similarity, str(found.createdAt)]",
         [True, "likes tea", "semantic", 7, 0.75, "2026-01-02 12:00:00+00:00"]),
        ("return [(await api.users.get('alice')).name, await api.users.get_preferences('alice')]",
         ["Alice", {"language": "en"}]),
        ("id = await api.scheduler.schedule('refresh', 60000, print)\n"
         "await api.scheduler.schedule('daily', '0 9 * * *', print)\n"
         "tasks = await api.scheduler.list()\n"
         "return [[t.name, t.schedule, t.plugin_id, t.enabled] for t in tasks] + [await api.scheduler.cancel(id)]",
         [["refresh", "60000", "probe", True], ["daily", "0 9 * * *", "probe", True], True]),
        ("return await api.execute_tool('plugin_other_add', {'a': 1, 'b': 2}, {'userId': 'eve'})",
         {"success": True, "result": {"sum": 3, "for": "alice"}}),
        ("return (await api.execute_tool('web_search', {'query': 'x'})).error", "Unknown tool: web_search"),
    ],
)  # fmt: skip
async def test_each_part_of_the_api(house: House, body: str, wanted: object) -> None:
    house.write("probe", probe(body), main="index.py")
    house.write("other", OTHER, main="index.py")
    house.answers["https://api.example.com/data"] = json_answer("https://api.example.com/data", b'{"v": 1}')
    house.answers["https://api.example.com/text"] = json_answer("", b"plain", kind="text/plain")
    await house.start({"probe": {"word": "hush", "deep": {"list": [1, 2]}}})
    assert await house.ask("probe", "run") == wanted


OTHER = """
    class Other:
        def on_load(self, api):
            async def add(input, context):
                return {"success": True, "result": {"sum": input["a"] + input["b"], "for": context.user_id}}
            api.register_tool(name="add", handler=add)
    plugin = Other()
"""


@pytest.mark.parametrize(
    ("body", "permission"),
    [
        ("api.unregister_tool('run')", "tools:register"),
        ("await api.execute_tool('x', {})", "tools:execute"),
        ("await api.memory.search('x', 'alice')", "memory:read"),
        ("await api.memory.create('alice', 'x', 'semantic')", "memory:write"),
        ("await api.storage.get('x')", "storage:read"),
        ("await api.storage.list()", "storage:read"),
        ("await api.storage.set('x', 1)", "storage:write"),
        ("await api.storage.delete('x')", "storage:write"),
        ("await api.storage.clear()", "storage:write"),
        ("await api.http.get('https://api.example.com/')", "http:outbound"),
        ("api.events.on('message:received', print)", "events:subscribe"),
        ("api.events.emit('x', {})", "events:emit"),
        ("await api.scheduler.list()", "scheduler:read"),
        ("await api.scheduler.schedule('x', 60000, print)", "scheduler:write"),
        ("await api.scheduler.cancel('x')", "scheduler:write"),
        ("await api.users.get('alice')", "users:read"),
        ("await api.users.get_preferences('alice')", "users:read"),
    ],
)
async def test_without_its_permission_a_call_raises_and_names_it(house: House, body: str, permission: str) -> None:
    code = "class P:\n  async def on_load(self, api):\n    " + body + "\nplugin = P()"
    granted = [name for name in ("tools:register", "storage:read", "storage:write") if name != permission]
    house.write("poor", code, main="index.py", permissions=granted)
    reason = (await house.start())["poor"].reason or ""
    assert f"PermissionError: Plugin poor does not have '{permission}' permission" in reason


async def test_a_tool_registered_twice_is_refused(house: House) -> None:
    twice = "for _ in range(2): api.register_tool(name='x', handler=print)"
    code = f"class P:\n  def on_load(self, api):\n    {twice}\nplugin = P()"
    house.write("twice", code, main="index.py")
    assert "Tool x is already registered by plugin twice" in ((await house.start())["twice"].reason or "")


async def test_what_is_stored_for_a_user_is_that_users_alone(house: House) -> None:
    body = (
        "value = (await api.storage.get('n', scope='user') or 0) + 1\n"
        "await api.storage.set('n', value, scope='user')\nreturn value"
    )
    house.write("probe", probe(body), main="index.py")
    await house.start()
    counted = [await house.ask("probe", "run", Caller(user=user)) for user in ("alice", "alice", "bob")]
    assert counted == [1, 2, 1]
    reply = await house.call("plugin_probe_run", Caller())
    assert "runs on nobody's behalf" in (reply.error or "")


async def test_another_user_than_the_one_who_asks_is_refused(house: House) -> None:
    house.write("probe", probe("return await api.users.get('alice')"), main="index.py")
    await house.start()
    reply = await house.call("plugin_probe_run", Caller(user="bob"))
    assert reply.error == "PermissionError: Plugin probe does not have 'users:any' permission"


async def test_events_are_told_until_they_are_taken_off(house: House) -> None:
    code = """
        class P:
            def on_load(self, api):
                self.api = api
                self.seen = []
                api.events.on("message:received", self.hear)
                api.events.on("message:received", self.hear)
                api.register_tool(name="seen", handler=lambda input, context: {"success": True, "result": self.seen})
                api.register_tool(name="deaf", handler=self.deaf)
                api.events.emit("plugin:loaded", {"pluginId": api.plugin_id})
            async def hear(self, event):
                self.seen.append([event.type, event.data.content, event["source"], event.timestamp.year])
            def deaf(self, input, context):
                self.api.events.off("message:received", self.hear)
                self.api.events.off("message:received", print)
                return {"success": True, "result": None}
        plugin = P()
    """
    house.write("ears", code, main="index.py")
    await house.start()
    await house.bus.tell("message:received", {"content": "hi"})
    assert await house.ask("ears", "seen") == [["message:received", "hi", "system", 2026]]
    await house.ask("ears", "deaf")
    await house.bus.tell("message:received", {"content": "again"})
    assert len(await house.ask("ears", "seen")) == 1
    assert [(event.type, event.source) for event in house.bus.emitted] == [("plugin:loaded", "ears")]


async def test_a_hundred_operations_a_minute_then_the_limit_is_named(house: House) -> None:
    house.write("probe", probe("for _ in range(101): await api.storage.get('x')"), main="index.py")
    await house.start()
    reply = await house.call("plugin_probe_run")
    assert "Rate limit exceeded for plugin probe" in (reply.error or "")
    house.clock.advance(61)
    body = "r = None\nfor _ in range(101): r = await api.execute_tool('none', {})\nreturn r.error"
    house.write("other", probe(body), main="index.py")
    await house.host.reload_changed(actor="test")
    assert (await house.ask("other", "run")).startswith("Rate limit exceeded for plugin other")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("None", "Tool t answered nothing"),
        ("3", "Tool t answered a int"),
        ("{'result': 1}", "without `success`"),
        ("{'success': 'yes'}", "neither true nor false"),
        ("{'success': False}", "without saying why"),
        ("{'success': False, 'result': None, 'error': 'no such town'}", "no such town"),
    ],
)
async def test_an_answer_that_is_none_of_the_guides_is_the_tools_error(house: House, answer: str, told: str) -> None:
    code = (
        "class P:\n  def on_load(self, api):\n"
        f"    api.register_tool(name='t', handler=lambda input, context: {answer})\nplugin = P()"
    )
    house.write("odd", code, main="index.py")
    await house.start()
    assert told in ((await house.call("plugin_odd_t", ALICE)).error or "")
