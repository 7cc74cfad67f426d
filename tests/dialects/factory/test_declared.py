"""Commands and options, as the source tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.dialects.factory import declared
from jackfield.dialects.factory.declared import Declared, read_declared


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('CliCommandSpec("hello", run, "Says it.")', Declared("command", "hello", "Says it.")),
        (
            'declaration.CliCommandSpec(command_name="hello", command_function=run, parent_command="shop")',
            Declared("command", "hello", "", "shop"),
        ),
        ('AuthCommandSpec("login", "Signs in.", run, {})', Declared("auth", "login", "Signs in.")),
        ('x = [CliArgumentSpec("serve", "limit", int) for _ in range(2)]', Declared("option", "serve")),
        ("CliCommandSpec(NAME, run)", Declared("command", None)),
        ("CliCommandSpec(**told)", Declared("command", None)),
        ("CliCommandSpec(*told)", Declared("command", None)),
        ('CliCommandSpec("hello", run, parent_command=PARENT)', Declared("command", None)),
        ('CliCommandSpec("a\\x1b[31m", run)', Declared("command", None)),
        ('CliCommandSpec("hello", run, "\\x1b]0;title\\x07")', Declared("command", "hello")),
        ('CliCommandSpec("hello", run, HELP)', Declared("command", "hello")),
    ],
)
def test_what_is_written_is_read_and_not_run(tmp_path: Path, source: str, found: Declared) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(f"raise SystemExit\n{source}\n")
    assert read_declared(tmp_path) == read_declared(file) == (found,)


@pytest.mark.parametrize(
    "source", [b"", b"CliCommandSpec(", b"# CliCommandSpec\n", b"CliCommandSpec('x', f)\xff", b"CliCommandSpec\0"]
)
def test_what_cannot_be_read_declares_nothing(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "plugin.py").write_bytes(source)
    assert read_declared(tmp_path) == ()
    assert read_declared(tmp_path / "gone") == ()


def test_only_so_much_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = 'CliCommandSpec("{}", run)\n'
    for place in ("a", ".venv", "node_modules", "__pycache__", "z/deep"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "commands.py").write_text(spec.format(place[0]))
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert [one.name for one in read_declared(tmp_path)] == ["a", "z"]
    monkeypatch.setattr(declared, "MOST_FILES", 1)
    assert [one.name for one in read_declared(tmp_path)] == ["a"]
    monkeypatch.setattr(declared, "MOST_FOLDERS", 1)
    assert read_declared(tmp_path) == ()
