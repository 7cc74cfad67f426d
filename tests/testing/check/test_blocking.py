"""Calls that stop the event loop, and the same calls where they do no harm."""

from __future__ import annotations

import pytest

from .conftest import Look, Trips

BLOCKING = [
    "time.sleep(1)",
    "nap(1)",
    "urllib.request.urlopen('http://a.example')",
    "subprocess.run(['ls'])",
    "subprocess.Popen(['ls'])",
    "os.popen('ls')",
    "input()",
]


@pytest.mark.parametrize("call", BLOCKING)
def test_a_call_that_blocks_is_told_where_it_stands(trips: Trips, call: str) -> None:
    assert trips(f"async def on_load(self):\n    {call}") == [(2, "blocking-call")]


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("import requests", "requests.get('http://a.example')"),
        ("from requests import post as send", "send('http://a.example')"),
        ("import sqlite3", "sqlite3.connect('file')"),
        ("import httpx", "httpx.get('http://a.example')"),
        ("import time as t", "t.sleep(1)"),
    ],
)
def test_a_name_is_followed_to_what_was_imported(look: Look, module: str, call: str) -> None:
    source = f"""
        {module}
        from jackfield.sdk import Plugin
        class Tried(Plugin):
            async def on_load(self):
                {call}
    """
    assert [(found.line, found.code) for found in look({"tried/plugin.py": source}).findings] == [(6, "blocking-call")]


@pytest.mark.parametrize(
    "body",
    [
        "async def on_load(self):\n    await asyncio.sleep(1)",
        "async def on_load(self):\n    urllib.parse.quote('a b')",
        "async def on_load(self):\n    await asyncio.to_thread(time.sleep, 1)",
        "async def on_load(self):\n    await asyncio.to_thread(lambda: time.sleep(1))",
        "async def on_load(self):\n    await asyncio.to_thread(self.wait)\ndef wait(self):\n    time.sleep(1)",
        "async def on_load(self):\n    def wait():\n        time.sleep(1)\n    await asyncio.to_thread(wait)",
        "async def on_load(self, time):\n    time.sleep(1)",
        "async def on_load(self):\n    await self.time.sleep(1)",
        "def wait(self):\n    time.sleep(1)",
        "async def on_load(self):\n    time.monotonic()",
    ],
)
def test_what_does_not_block_the_loop_is_passed(trips: Trips, body: str) -> None:
    assert trips(body) == []


def test_a_function_that_blocks_is_told_where_async_code_calls_it(look: Look) -> None:
    source = """
        import time
        from jackfield.sdk import Plugin
        def pause():
            time.sleep(1)
        class Tried(Plugin):
            def wait(self):
                pause()
            async def on_load(self):
                self.wait()
    """
    (found,) = look({"tried/plugin.py": source}).findings
    assert (found.line, found.code) == (10, "blocking-call")
    assert found.message == (
        "Tried.on_load calls Tried.wait, which blocks with time.sleep() in line 5; "
        "await it in a thread: asyncio.to_thread(…)"
    )


HOOK = '@hook("auth")\nasync def check(self, exchange):\n    '


@pytest.mark.parametrize(
    "call",
    [
        "open('file')",
        "io.open('file')",
        "Path('file').read_text()",
        "(Path('folder') / 'file').write_text('x')",
        "p = Path('file'); p.with_suffix('.txt').open()",
        "self.load()",
        "await self.fetch()",
    ],
)
def test_a_file_opened_while_a_client_waits_is_told(trips: Trips, call: str) -> None:
    others = "\ndef load(self):\n    open('file')\nasync def fetch(self):\n    pass"
    found = trips(HOOK + call + (others if "fetch" not in call else others.replace("pass", "open('file')")))
    assert [code for _, code in found] == ["blocking-file"]


@pytest.mark.parametrize(
    "body",
    [
        "async def on_load(self):\n    open('file')",
        HOOK + "await asyncio.to_thread(open, 'file')",
        HOOK + "await asyncio.to_thread(self.load)\ndef load(self):\n    open('file')",
        HOOK + "await self.store.open('file')",
        HOOK + "self.store.open('file')",
        HOOK + "body = await exchange.read_text()",
        HOOK + "text = exchange.body.read_text()",
    ],
)
def test_files_elsewhere_are_passed(trips: Trips, body: str) -> None:
    assert trips(body) == []


def test_a_path_among_the_settings_is_known_for_one(look: Look) -> None:
    source = """
        from pathlib import Path
        from jackfield.sdk import Plugin, PluginConfig, hook
        class Settings(PluginConfig):
            costs: Path = Path("costs.txt")
        class Tried(Plugin[Settings]):
            @hook("background")
            async def note(self, exchange):
                self.config.costs.write_text("x")
    """
    report = look({"tried/plugin.py": source})
    assert [(found.line, found.code) for found in report.findings] == [(9, "blocking-file")]


def test_a_shell_is_told_also_where_nothing_waits(trips: Trips) -> None:
    assert trips("def clean(self):\n    os.system('rm x')") == [(2, "shell")]
    assert trips("async def on_load(self):\n    os.system('rm x')") == [(2, "blocking-call")]
    assert trips("def clean(self):\n    subprocess.run(['rm', 'x'])") == []


def test_a_provider_in_process_is_looked_at_like_a_hook(trips: Trips) -> None:
    body = "async def complete(self, request, upstream):\n    return open('file').read()"
    assert trips(body) == [(2, "blocking-file")]


@pytest.mark.parametrize("mark", ["tool()", "subscribe('message:sent')", "task(every_s=60)"])
def test_what_runs_beside_requests_opens_no_files_either(look: Look, mark: str) -> None:
    source = f"""
        from jackfield.sdk import Plugin, subscribe, task, tool
        class Tried(Plugin):
            permissions = ("tools:register", "events:subscribe", "scheduler:write")
            @{mark}
            async def work(self):
                open("a")
    """
    found = [(one.line, one.code) for one in look({"tried/plugin.py": source}).findings]
    assert (7, "blocking-file") in found
