"""What a run puts up: gateways with configuration and plugins, and children that end when told."""

from __future__ import annotations

import importlib.util
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bench.child import Child, ChildError, free_port
from bench.cores import choose_cores, pinned
from bench.plugin_files import write_plugins
from bench.stage import Stage, Target, environment, open_stage

import jackfield
from bench import __main__ as bench
from bench import nginx
from jackfield import settings
from jackfield.sdk.hooks import hooks_of


def test_the_upstream_starts_and_leaves_nothing_behind() -> None:
    with open_stage(choose_cores()) as stage:
        child, folder = stage.upstream.child, stage.folder
        assert child.is_alive()
        assert child.rss_mb() > 1
        assert folder.is_dir()
    assert not child.is_alive()
    assert not folder.exists()


def test_a_child_that_dies_says_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    child = Child("dying", command, core=choose_cores().target, log=tmp_path / "log", env=environment())
    with pytest.raises(ChildError, match="no such thing"):
        child.wait_ready(free_port())
    child.stop()


def test_a_child_that_is_held_answers_only_afterwards() -> None:
    with open_stage(choose_cores()) as stage:
        upstream = stage.upstream
        with socket.create_connection(("127.0.0.1", upstream.port), timeout=30) as client:
            with upstream.child.held():
                client.sendall(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n")
                before = upstream.child.cpu_s()
                readable, _, _ = select.select([client], [], [], 0.2)
                assert not readable
                assert upstream.child.cpu_s() == before
            assert client.recv(8) == b"HTTP/1.1"


def test_pinning_ends_with_its_block() -> None:
    before = os.sched_getaffinity(0)
    with pinned(min(before)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


def test_the_plugins_have_the_hooks_that_are_measured(tmp_path: Path) -> None:
    folder = write_plugins(tmp_path / "plugins", plugins=2, hooks=3, chunk_hooks=1)
    points = {}
    for entry in sorted(folder.iterdir()):
        spec = importlib.util.spec_from_file_location(entry.name, entry / "plugin.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        kind = next(kind for name, kind in vars(module).items() if name.startswith("Bench"))
        points[entry.name] = sorted(hook.point for hook in hooks_of(kind))
    assert points == {
        "bench_chunks_00": ["response_chunk"],
        "bench_hook_00": ["pre_flight"],
        "bench_hook_01": ["response_body"],
        "bench_hook_02": ["pre_flight"],
        "bench_reader_00": ["pre_flight", "response_body"],
        "bench_reader_01": ["pre_flight", "response_body"],
    }


def test_the_gateway_takes_the_configuration(tmp_path: Path) -> None:
    upstream = Target("upstream", 9, child=None)  # type: ignore[arg-type]
    command, port = Stage(choose_cores(), tmp_path, upstream).gateway_command(plugins=1)
    file = Path(command[command.index("--config") + 1])
    loaded = settings.load(file, {}, environment())
    assert loaded.server.port == port
    assert loaded.upstreams[0].base_url == "http://127.0.0.1:9/v1"


def test_nginx_is_given_ports_and_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "installed", lambda: "nginx")
    command = nginx.command(tmp_path, 8001, 8002)
    config = (tmp_path / "nginx.conf").read_text()
    assert command[-1] == str(tmp_path / "nginx.conf")
    assert "listen 127.0.0.1:8001" in config
    assert "server 127.0.0.1:8002" in config


def test_an_unknown_scenario_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.read_arguments(["--only", "plain,speed"])
    assert "no scenario speed" in capsys.readouterr().err


def test_quick_is_short() -> None:
    chosen = bench.read_arguments(["--quick"])
    assert (chosen.rounds, chosen.seconds, chosen.names) == (2, 1.0, list(bench.SCENARIOS))


def test_children_run_the_package_that_is_seen_here() -> None:
    """Sources or compiled: what a result says of itself is what was measured."""
    script = "import jackfield; print(jackfield.__file__)"
    said = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert said.stdout.strip() == jackfield.__file__
