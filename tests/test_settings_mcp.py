"""`[mcp]`: servers that are mounted, and who may come to `/mcp`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield import settings
from jackfield.errors import ConfigError
from jackfield.settings import Settings


def load(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "jackfield.toml"
    file.write_text(text)
    return settings.load(file, {}, environ)


def test_values_of_environment_variables_are_filled_in_and_never_shown(tmp_path) -> None:
    text = """
    [[mcp.servers]]
    name = "far"
    url = "https://far.example/mcp/"
    headers = { authorization = { env = "FAR" }, "x-team" = "tools" }

    [[mcp.servers]]
    name = "near"
    command = "near"
    env = { TOKEN = { env = "NEAR" }, MODE = "fast" }
    """
    far, near = load(tmp_path, text, FAR="Bearer far-secret", NEAR="near-secret").mcp.servers
    assert far.url == "https://far.example/mcp"
    assert [(name, value.reveal()) for name, value in far.header_values] == [
        ("authorization", "Bearer far-secret"),
        ("x-team", "tools"),
    ]
    assert {name: value.reveal() for name, value in near.env_values} == {"TOKEN": "near-secret", "MODE": "fast"}
    assert "secret" not in repr((far, near))
    assert near.tools == ("*",)


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("name = 'far'", "MCP server 'far' needs a url or a command, and not both"),
        ("name = 'far'\nurl = 'http://x.example'\ncommand = 'x'", "needs a url or a command, and not both"),
        ("name = 'far'\nurl = 'http://x.example'\nargs = ['x']", "args and env are for those with a command"),
        ("name = 'far'\ncommand = 'x'\nheaders = {a = 'b'}", "headers are for those with a url"),
        ("name = 'far'\nurl = 'http://127.0.0.1:8090/mcp'", "MCP server 'far' is this gateway itself"),
        ("name = 'far'\nurl = 'ftp://x.example'", "mcp.servers[0].url"),
        ("name = 'a b'\ncommand = 'x'", "mcp.servers[0].name"),
        ("name = 'far'\ncommand = 'x'\ntimeout_s = 31", "mcp.servers[0].timeout_s"),
        ("name = 'far'\ncommand = 'x'\nenv = {'A-B' = 'c'}", "is not the name of an environment variable"),
        ("name = 'far'\ncommand = 'x'\nenv = {A = {env = 'MISSING'}}", "needs the environment variable MISSING"),
        ("name = 'far'\nurl = 'http://x.example'\nheaders = {host = 'y'}", "is the gateway's own to set"),
        ("name = 'far'\ncommand = 'x'\ntool = ['x']", "tool"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, server: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"[[mcp.servers]]\n{server}")
    assert told in str(raised.value)
    assert "jackfield.toml:" in str(raised.value)


def test_a_name_is_used_once(tmp_path) -> None:
    twice = "[[mcp.servers]]\nname = 'far'\ncommand = 'x'\n" * 2
    with pytest.raises(ConfigError, match=r"the name 'far' is already that of mcp.servers\[0\]"):
        load(tmp_path, twice)
