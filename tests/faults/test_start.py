"""A gateway whose config is wrong does not start: exit code 1, and one clear line that names the culprit."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from jackfield.testing.processes import run_command

UPSTREAM = """
[[upstreams]]
name = "local"
provider = "openai"
base_url = "http://127.0.0.1:9100/v1"
models = ["gpt-4o"]
"""
WRONG = {
    "unknown key": ("[server]\nprot = 8091\n", ["jackfield.toml:2", "server.prot", "port"]),
    "unknown section": ("[serverr]\nport = 1\n", ["jackfield.toml:1", "serverr", "server"]),
    "missing variable": (
        UPSTREAM + 'api_key_env = "NO_SUCH_KEY"\n',
        ["jackfield.toml:7", "local", "NO_SUCH_KEY", "api_key_env"],
    ),
    "model twice": (
        UPSTREAM.replace('["gpt-4o"]', '["gpt-4o", "gpt-4o"]'),
        ["jackfield.toml:6", "gpt-4o", "twice"],
    ),
    "upstream twice": (UPSTREAM + UPSTREAM, ["jackfield.toml:9", "local", "upstreams[1].name"]),
    "wrong type": ('[server]\nport = "many"\n', ["jackfield.toml:2", "server.port"]),
    "no TOML": ("[server\n", ["jackfield.toml:1"]),
    "no such provider": (
        UPSTREAM.replace('"openai"', '"openay"'),
        ["openay", "openai"],
    ),
    "itself": (UPSTREAM.replace("9100", "8090"), ["jackfield.toml:5", "itself"]),
}


@pytest.mark.usefixtures("forked_commands")
@pytest.mark.parametrize(("config", "named"), WRONG.values(), ids=WRONG)
async def test_a_wrong_config_is_told_in_one_line(tmp_path: Path, config: str, named: list[str]) -> None:
    file = tmp_path / "jackfield.toml"
    file.write_text(config, encoding="utf-8")
    code, _, errors = await run_command(tmp_path, "serve", "--config", str(file))

    assert code == 1, errors
    lines = [line for line in errors.splitlines() if line]
    (line,) = lines
    for text in named:
        assert text in line


async def test_an_unknown_variable_is_told(tmp_path: Path) -> None:
    environ = {"JACKFIELD_SERVER__PROT": "8091"}
    code, _, errors = await run_command(tmp_path, "serve", environ=environ)

    assert code == 1
    assert "JACKFIELD_SERVER__PROT" in errors
    assert "JACKFIELD_SERVER__PORT" in errors
    assert errors.count("\n") == 1


async def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, errors = await run_command(tmp_path, "serve", "--port", str(port))

    assert code == 1
    assert f"127.0.0.1:{port}" in errors
    assert errors.count("\n") == 1


async def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    code, _, errors = await run_command(tmp_path, "serve", "--prot", "1")

    assert code == 2
    assert "--prot" in errors
