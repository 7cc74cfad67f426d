"""The command as a whole: exit codes, one clear message, and nothing imported that is not needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import jackfield
from jackfield.cli import bench

from .conftest import Run


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"jackfield {jackfield.__version__}\n", "")


def test_help_names_every_command(run: Run) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    assert all(f" {name} " in outcome.out for name in ("serve", "key", "config", "bench", "doctor"))


@pytest.mark.parametrize(
    "arguments", [("nope",), ("serve", "--port", "many"), ("key", "revoke"), ("serve", "--role", "x")]
)
def test_wrong_usage_is_exit_code_two(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert "Usage: jackfield" in outcome.err


def test_a_failure_is_one_line_and_exit_code_one(run: Run) -> None:
    outcome = run("config", "check", "--config", "missing.toml")
    assert outcome == (
        1,
        "",
        "jackfield: missing.toml: cannot read the config file: No such file or directory\n",
    )


def test_a_defect_is_one_line_that_tells_where(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(file: Path) -> Path:
        raise RuntimeError("with sk-hidden-secret")

    monkeypatch.setattr(bench, "find_checkout", break_down)
    outcome = run("bench")
    assert outcome.code == 1
    assert outcome.err.startswith("jackfield: internal error: RuntimeError: with sk-*** (")
    assert "test_main.py:" in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_interrupt_is_no_failure_of_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(file: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "find_checkout", interrupt)
    assert run("bench").code == 130


def test_the_module_is_the_command_and_starts_light(folder: Path) -> None:
    code = (
        "import sys, runpy; sys.argv = ['jackfield', '--version']\n"
        "try: runpy.run_module('jackfield', run_name='__main__')\n"
        "except SystemExit as ended: print(ended.code)\n"
        "heavy = {'pydantic', 'sqlalchemy', 'uvicorn', 'fastapi', 'rich', 'structlog', 'prometheus_client'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == f"jackfield {jackfield.__version__}\n0\n[]\n"
    assert told.stderr == ""


def test_the_bench_runs_from_a_checkout_only(run: Run, tmp_path: Path) -> None:
    installed = tmp_path / "lib" / "site-packages" / "jackfield" / "__init__.py"
    with pytest.raises(jackfield.errors.ConfigError, match="clone the repository and run `make bench`"):
        bench.find_checkout(installed)
    (tmp_path / "bench").mkdir()
    (tmp_path / "Makefile").touch()
    assert bench.find_checkout(tmp_path / "src" / "jackfield" / "__init__.py") == tmp_path


def test_the_bench_hands_its_arguments_on(tmp_path: Path) -> None:
    assert bench.bench_command(tmp_path, ["--quick", "--only", "hooks"])[-2:] == [
        "bench",
        "ARGS=--quick --only hooks",
    ]
    assert bench.bench_command(tmp_path, [])[-1] == "bench"
