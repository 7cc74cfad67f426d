"""`jackfield plugin check` of providers over HTTP: by address, and by folder, where what does not run is started."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackfield.testing.gateway import find_free_port

from .conftest import Run

ELIZA = Path(__file__).resolve().parents[2] / "examples" / "provider-python"
WITHIN_S = 10.0
MANIFEST = """\
type: http
endpoint: http://127.0.0.1:{port}
metadata: {{name: Lantern, version: 1.0.0, plugin_api_version: 1.0.0, provider_type: lantern, description: Light}}
auto_start: true
{rest}
"""
# Starts a child of its own, and tells who both are.
PARENT = """\
import os, subprocess, sys, pathlib
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
print("sk-nothing", flush=True)
child.wait()
"""
ENDING = "import sys; sys.exit('no lamp oil')"
SHOWING = """\
import json, os, pathlib
pathlib.Path("environ.json").write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest.fixture
def eliza(port: int) -> Iterator[str]:
    """One that runs already."""
    command = [sys.executable, "eliza.py", "--port", str(port)]
    with subprocess.Popen(command, cwd=ELIZA, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.terminate()


def write_provider(folder: Path, port: int, script: str = "", rest: str = "") -> Path:
    plugin = folder / "lantern"
    plugin.mkdir()
    if script:
        (plugin / "lantern.py").write_text(script)
        rest += "\ncommand: python3\nargs: [lantern.py]"
    (plugin / "plugin.yaml").write_text(MANIFEST.format(port=port, rest=rest))
    return plugin


def write_eliza(folder: Path, port: int) -> Path:
    plugin = folder / "eliza"
    plugin.mkdir()
    for name in ("eliza.py", "plugin.yaml"):
        (plugin / name).write_text((ELIZA / name).read_text().replace("9311", str(port)))
    return plugin


def ended_soon(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], WITHIN_S)[0])
    finally:
        os.close(process)


def test_an_address_is_talked_to_and_all_that_is_well_is_told(run: Run, eliza: str) -> None:
    done = run("plugin", "check", eliza)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == f"{eliza}: ok GET /metadata Eliza 1.0.0, provider_type eliza"
    assert {line.split()[1] for line in done.out.splitlines()} == {"ok"}


def test_an_address_where_nobody_is_fails(run: Run, port: int) -> None:
    done = run("plugin", "check", f"http://127.0.0.1:{port}")
    assert done.code == 1
    assert "error GET /metadata there was no answer" in done.out


def test_a_folder_is_started_talked_to_and_ended(run: Run, folder: Path, port: int) -> None:
    plugin = write_eliza(folder, port)
    done = run("plugin", "check", str(plugin))
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing found in eliza")
    assert "ok POST /chat/completions with stream streams" in done.out
    assert done.err == f"run to check it: eliza: python3 eliza.py --port {port}\n"
    assert run("plugin", "check", f"http://127.0.0.1:{port}").code == 1


def test_a_new_provider_is_well_in_everything(run: Run, folder: Path, port: int) -> None:
    assert run("plugin", "new", "provider", "lantern").code == 0
    manifest = folder / "lantern" / "plugin.yaml"
    manifest.write_text(re.sub(r"\b2\d{4}\b", str(port), manifest.read_text()))
    done = run("plugin", "check", "lantern")
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing found in lantern")


def test_a_folder_whose_provider_runs_already_starts_nothing(run: Run, folder: Path, port: int, eliza: str) -> None:
    done = run("plugin", "check", str(write_eliza(folder, port)))
    assert (done.code, done.err) == (0, "")


def test_in_a_folder_of_plugins_nothing_is_started(run: Run, folder: Path, port: int) -> None:
    write_eliza(folder, port)
    assert run("plugin", "check", ".") == (0, "nothing found in eliza\n", "")
    assert run("plugin", "check", "eliza", "--no-import") == (0, "nothing found in eliza\n", "")


def test_as_json_what_was_sent_and_what_came_is_told_of_all(run: Run, folder: Path, port: int) -> None:
    told = json.loads(run("plugin", "check", str(write_eliza(folder, port)), "--json").out)
    assert told["ran"] == [f"eliza: python3 eliza.py --port {port}"]
    completed = next(one for one in told["live"] if one["step"] == "POST /chat/completions")
    assert (completed["level"], completed["endpoint"]) == ("ok", f"http://127.0.0.1:{port}")
    assert "Hello!" in completed["sent"]
    assert "How do you do." in completed["got"]


@pytest.mark.parametrize(
    ("script", "rest", "told"),
    [
        ("", "", "error GET /metadata nothing answers there, and the manifest has no command to start it"),
        (ENDING, "", "did not start: it ended with exit code 1\n    got no lamp oil"),
        ("", "command: no-such-program", "did not start: [Errno 2] No such file or directory: 'no-such-program'"),
    ],
)
def test_what_does_not_come_up_is_told_with_its_last_words(
    run: Run, folder: Path, port: int, script: str, rest: str, told: str
) -> None:
    done = run("plugin", "check", str(write_provider(folder, port, script, rest)))
    assert done.code == 1
    assert told in done.out


def test_what_never_answers_is_ended_with_all_that_it_started(
    run: Run, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield.testing.check.live.started.START_S", 1.0)
    plugin = write_provider(folder, port, PARENT)
    done = run("plugin", "check", str(plugin))
    assert done.code == 1
    assert "it did not come up within 1 s" in done.out
    assert all(ended_soon(int(pid)) for pid in (plugin / "pids").read_text().split())


def test_it_gets_its_own_environment_and_nothing_of_ours(
    run: Run, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ours")
    monkeypatch.setenv("JACKFIELD_SECRET", "ours")
    plugin = write_provider(folder, port, SHOWING, "env: {PORT: 8090, FAST: true}")
    run("plugin", "check", str(plugin))
    environ = json.loads((plugin / "environ.json").read_text())
    assert (environ["PORT"], environ["FAST"]) == ("8090", "true")
    assert "sk-ours" not in environ.values()
    assert not any(name.startswith("JACKFIELD_") for name in environ)


@pytest.mark.parametrize("name", ["eliza", "house"])
def test_the_config_comes_from_the_gateways_file_by_type_or_by_folder(
    run: Run, folder: Path, port: int, name: str
) -> None:
    plugin = write_eliza(folder, port).rename(folder / "house")
    (folder / "jackfield.toml").write_text(f"[plugins.config.{name}]\npatience_s = 60.0\n")
    done = run("plugin", "check", str(plugin))
    assert done.code == 1
    assert "error the config that was given patience_s: must be at most 5, not 60.0" in done.out


def test_the_config_may_be_a_file_of_its_own(run: Run, folder: Path, eliza: str) -> None:
    (folder / "config.json").write_text('{"patience_s": 60}')
    assert "patience_s: must be at most 5, not 60" in run("plugin", "check", eliza, "--config", "config.json").out
    (folder / "config.json").write_text('["patience_s"]')
    done = run("plugin", "check", eliza, "--config", "config.json")
    assert (done.code, done.err) == (1, "jackfield: config.json: must be an object: the provider's config\n")
    assert "there is no such file" in run("plugin", "check", eliza, "--config", "none.toml").err


def test_a_manifest_that_is_wrong_is_told_and_nothing_is_started(run: Run, folder: Path, port: int) -> None:
    plugin = write_provider(folder, port, ENDING)
    manifest = plugin / "plugin.yaml"
    manifest.write_text(manifest.read_text().replace("type: http", "type: carrier-pigeon"))
    done = run("plugin", "check", str(plugin))
    assert (done.code, done.err) == (1, "")
    assert "lantern/plugin.yaml:1: error manifest type: unsupported plugin type 'carrier-pigeon'" in done.out
