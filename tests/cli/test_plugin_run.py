"""`jackfield plugin run`: one exchange, printed phase by phase."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

from .conftest import Run

SOURCE = """
    import msgspec
    from jackfield.sdk import Plugin, PluginConfig, Reject, Replace, TextDelta, hook

    class Rules(PluginConfig):
        word: str = "secret"
        nested: dict = {}

    class HouseRules(Plugin[Rules]):
        id = "house_rules"
        version = "1.2.0"

        @hook("pre_flight", on_failure="closed")
        async def rules(self, exchange):
            text = exchange.request.last_user_text()
            if text.isupper():
                return Reject(429, "no_shouting", "Please do not shout.")
            if text == "boom":
                raise ValueError("no")
            return Replace(msgspec.structs.replace(exchange.request, seed=7))

        @hook("response_chunk", on_failure="open")
        async def redact(self, exchange, event):
            if isinstance(event, TextDelta) and self.config.word in event.text:
                return Replace(msgspec.structs.replace(event, text="[hidden]"))
"""


@pytest.fixture
def plugin(folder: Path) -> str:
    place = folder / "plugins" / "house_rules"
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(dedent(SOURCE))
    return str(place.relative_to(folder))


def ask(folder: Path, text: str, **fields: object) -> str:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}
    (folder / "body.json").write_text(json.dumps(body))
    return "body.json"


def test_each_hook_with_what_it_changed(run: Run, folder: Path, plugin: str) -> None:
    outcome = run("plugin", "run", plugin, "--request", ask(folder, "hello"))
    assert (outcome.code, outcome.err) == (0, "")
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[:2] == ["house_rules 1.2.0", "POST /v1/chat/completions"]
    assert any(line.startswith("house_rules.rules replace ") for line in lines)
    assert "seed: None -> 7" in lines
    assert any(line.startswith("sent to scripted: http://upstream.example/chat/completions") for line in lines)
    assert any(line.startswith("answer: 200") for line in lines)
    assert lines[-1] == "hello"


def test_a_stream(run: Run, folder: Path, plugin: str) -> None:
    outcome = run("plugin", "run", f"{plugin}/plugin.py", "--request", ask(folder, "my secret"), "--stream")
    assert "text: 'secret' -> '[hidden]'" in outcome.out
    assert "answer: 200, a stream" in outcome.out
    assert outcome.out.rstrip().endswith("my [hidden]")


def test_a_refusal_and_a_failure_are_answers(run: Run, folder: Path, plugin: str) -> None:
    refused = run("plugin", "run", plugin, "--request", ask(folder, "HELLO"))
    assert (refused.code, refused.err) == (0, "")
    assert "no_shouting by house_rules: Please do not shout." in refused.out
    failed = run("plugin", "run", plugin, "--request", ask(folder, "boom"))
    assert re.search(r"ValueError: no \(plugin\.py:\d+\)", failed.out)
    assert "plugin_failed by house_rules" in failed.out


def test_config_from_pairs_and_files(run: Run, folder: Path, plugin: str) -> None:
    body = ask(folder, "a blue heron")
    (folder / "own.toml").write_text('word = "heron"\n')
    (folder / "own.json").write_text('{"word": "heron"}')
    (folder / "jackfield.toml").write_text('[plugins.config.house_rules]\nword = "heron"\n')
    for config in ("word=heron", 'word="heron"', "own.toml", "own.json", "jackfield.toml"):
        outcome = run("plugin", "run", plugin, "--request", body, "--stream", "--config", config)
        assert "[hidden]" in outcome.out, config
    both = ("--config", "nested.a.b=1", "--config", "nested.c=x")
    assert run("plugin", "run", plugin, *both).code == 0


def test_other_paths_headers_and_answers(run: Run, folder: Path, plugin: str) -> None:
    body = ask(folder, "hello", max_tokens=10)
    outcome = run("plugin", "run", plugin, "--request", body, "--path", "/v1/messages", "--answer", "Good day.")
    assert "POST /v1/messages" in outcome.out
    assert outcome.out.rstrip().endswith("Good day.")
    refused = run("plugin", "run", plugin, "--header", "Authorization: Bearer wrong")
    assert "invalid_api_key" in refused.out


def test_as_json(run: Run, folder: Path, plugin: str) -> None:
    told = json.loads(run("plugin", "run", plugin, "--request", ask(folder, "HELLO"), "--json").out)
    assert (told["status"], told["error"]["code"]) == (429, "no_shouting")
    assert [(call["hook"], call["outcome"]) for call in told["hooks"]] == [("rules", "reject")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "nowhere: there is no such file or folder"),
        (("plugins", "--name", "other"), "there is no plugin 'other'; there are house_rules"),
        (("plugins", "--request", "none.json"), "none.json: cannot be read: No such file or directory"),
        (("plugins", "--request", "text.txt"), "text.txt: is not JSON"),
        (("plugins", "--request", "list.json"), "list.json: a request's body is a JSON object"),
        (("plugins", "--header", "nonsense"), "--header: expected NAME:VALUE, not 'nonsense'"),
        (("plugins", "--path", "/v2"), "path: there is no '/v2'; known are /v1/chat/completions"),
        (("plugins", "--config", "wrod=x"), "plugins.config.house_rules.wrod: Extra inputs are not permitted"),
        (("plugins", "--config", "none.toml"), "none.toml: cannot be read"),
        (("plugins", "--config", "text.txt"), "text.txt: cannot be read"),
        (("empty",), "empty: there is no plugin in it: neither a manifest nor a plugin.py"),
        (("broken.py",), "SyntaxError"),
        (("failing.py",), "on_load: OSError: no disk"),
    ],
)
def test_wrong_input_is_one_clear_line(
    run: Run, folder: Path, plugin: str, arguments: tuple[str, ...], told: str
) -> None:
    (folder / "empty").mkdir()
    (folder / "text.txt").write_text("hello")
    (folder / "list.json").write_text("[1]")
    (folder / "broken.py").write_text("def broken(:")
    failing = "class Failing(Plugin):\n    async def on_load(self):\n        raise OSError('no disk')\n"
    (folder / "failing.py").write_text("from jackfield.sdk import Plugin\n" + failing)
    outcome = run("plugin", "run", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert told in outcome.err
    assert outcome.err.startswith("jackfield: ")
    assert outcome.err.count("\n") == 1
