"""Plugin folders made for a run: native plugins whose hooks look and change nothing."""

from __future__ import annotations

from pathlib import Path

_HEAD = """\
from jackfield.sdk import Plugin, hook


class {name}(Plugin):
    id = "{id}"
"""

_PROMPT_HOOK = """
    @hook("pre_flight", on_failure="open")
    async def read_prompt(self, exchange):
        self.seen = len(exchange.request.last_user_text())
"""

_ANSWER_HOOK = """
    @hook("response_body", on_failure="open")
    async def read_answer(self, exchange):
        self.answered = len(exchange.response.text())
"""

_CHUNK_HOOK = """
    @hook("response_chunk", on_failure="open")
    async def read_chunk(self, exchange, event):
        self.event = event
"""


def write_plugins(folder: Path, *, plugins: int = 0, hooks: int = 0, chunk_hooks: int = 0) -> Path:
    """`plugins` look at request and answer, with a hook each; `hooks` plugins have one hook, which looks at the request
    in every other of them and at the answer in the rest; `chunk_hooks` plugins look at each event of a stream."""
    folder.mkdir(parents=True)
    for number in range(plugins):
        _write(folder, f"bench_reader_{number:02}", f"BenchReader{number:02}", _PROMPT_HOOK + _ANSWER_HOOK)
    for number in range(hooks):
        source = _ANSWER_HOOK if number % 2 else _PROMPT_HOOK
        _write(folder, f"bench_hook_{number:02}", f"BenchHook{number:02}", source)
    for number in range(chunk_hooks):
        _write(folder, f"bench_chunks_{number:02}", f"BenchChunks{number:02}", _CHUNK_HOOK)
    return folder


def _write(folder: Path, plugin_id: str, name: str, hooks: str) -> None:
    (folder / plugin_id).mkdir()
    (folder / plugin_id / "plugin.py").write_text(_HEAD.format(name=name, id=plugin_id) + hooks)
