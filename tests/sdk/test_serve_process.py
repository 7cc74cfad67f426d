"""`python -m jackfield.sdk.serve`, and `serve()` of a file that is run: what an author types."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jackfield.sdk.serve import serve
from jackfield.sdk.serve.metadata import port_of
from jackfield.sdk.serve.serving import main
from jackfield.testing import Caller

WITHIN_S = 20.0
# The whole of what an author writes.
MIRROR = """\
from jackfield.sdk import Plugin, TextDelta
from jackfield.sdk.serve import serve

class Mirror(Plugin):
    models = ("mirror",)

    async def stream(self, request, upstream):
        for letter in reversed(request.last_user_text()):
            yield TextDelta(text=letter)

if __name__ == "__main__":
    serve(Mirror)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mirror.py").write_text(MIRROR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mirror", raising=False)
    monkeypatch.delenv("PORT", raising=False)
    return tmp_path


@pytest.mark.parametrize("command", [["mirror.py"], ["-m", "jackfield.sdk.serve", "mirror:Mirror"]])
async def test_it_serves_until_it_is_told_to_end(folder: Path, command: list[str]) -> None:
    environ = os.environ | {"PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            line = (await process.stdout.readline()).decode().strip()
            async with Caller(line.removeprefix("listening on ")) as caller:
                body = {"model": "mirror", "stream": True, "messages": [{"role": "user", "content": "abc"}]}
                called = await caller.post("/chat/completions", body)
                assert called.events[-1] == (None, "[DONE]")
                assert '"content":"c"' in called.events[1][1]
            process.send_signal(signal.SIGTERM)
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (output, errors) == (b"", b"")
    assert process.returncode in (0, -signal.SIGTERM)


def test_it_writes_its_own_manifest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["mirror", "--manifest"])
    manifest = yaml.safe_load(capsys.readouterr().out)
    port = port_of("mirror")
    assert (manifest["type"], manifest["endpoint"]) == ("http", f"http://127.0.0.1:{port}")
    assert manifest["metadata"]["provider_type"] == "mirror"
    assert manifest["args"] == ["-m", "jackfield.sdk.serve", "mirror", "--port", str(port)]
    assert (manifest["auto_start"], manifest["command"]) == (True, "python3")


def test_a_file_that_is_run_is_started_as_it_was(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mirror  # type: ignore[import-not-found]

    sys.argv[0], before = "mirror.py", sys.argv[0]
    try:
        serve(mirror.Mirror, ["--manifest", "--port", "9300"])
    finally:
        sys.argv[0] = before
    assert yaml.safe_load(capsys.readouterr().out)["args"] == ["mirror.py", "--port", "9300"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing_there"], "there is no module 'nothing_there'"),
        (["mirror:Lantern"], "mirror has no subclass 'Lantern' of jackfield.sdk.Plugin"),
        (["mirror:serve"], "mirror has no subclass 'serve'"),
        (["json"], "json has not one plugin class but none"),
        (["jackfield.sdk.plugin:Plugin"], "Plugin serves no models: it has none of complete, stream, embed"),
    ],
)
def test_what_cannot_be_served_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("LOG_LEVEL", "loud")])
def test_a_variable_that_means_nothing_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["mirror"])
    assert f"the variable {name} is {value!r}" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "mirror.py", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in ended.stderr
