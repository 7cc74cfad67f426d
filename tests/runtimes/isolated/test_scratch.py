"""What an isolated process may write into, whatever it makes of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from jackfield.runtimes.isolated import scratch as scratch_folders
from jackfield.runtimes.isolated.scratch import Scratch, remove_tree, sweep_scratch
from jackfield.runtimes.limits import MB


async def test_it_is_empty_at_the_start_and_gone_at_the_end(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "a" / "b", 1)
    await scratch.make()
    (scratch.folder / "left").write_text("behind")
    await scratch.make()
    assert list(scratch.folder.iterdir()) == []
    await scratch.remove()
    assert not scratch.folder.exists()
    await scratch.remove()


async def test_each_has_its_own_and_those_of_who_is_gone_go(tmp_path: Path) -> None:
    one, other = Scratch(tmp_path, 1), Scratch(tmp_path, 1)
    await one.make()
    (one.folder / "mine").write_text("x")
    for name in (f"{2**22 + 1}-3", "no number", f"{os.getppid()}-1"):
        (tmp_path / name / "deeper").mkdir(parents=True)
    await other.make()
    kept = {one.folder.name, other.folder.name, f"{os.getppid()}-1", "no number"}
    assert {entry.name for entry in tmp_path.iterdir()} == kept
    assert (one.folder / "mine").exists()


async def test_a_plugin_without_any_leaves_nothing_and_others_keep_theirs(tmp_path: Path) -> None:
    root = tmp_path / "scratch"
    one, other, single = Scratch(root / "twin", 1), Scratch(root / "twin", 1), Scratch(root / "single", 1)
    for scratch in (one, other, single):
        await scratch.make()
    await asyncio.gather(one.remove(), single.remove())
    assert [entry.name for entry in root.iterdir()] == ["twin"]
    assert other.folder.exists()
    await asyncio.gather(one.make(), other.remove())
    assert one.folder.exists()


def test_what_a_killed_gateway_left_of_plugins_that_are_gone_is_swept(tmp_path: Path) -> None:
    dead, living = f"{2**22 + 1}-3", f"{os.getpid()}-1"
    for place in (f"gone/{dead}", f"shared/{dead}", f"shared/{living}", "empty", "strange/kept"):
        (tmp_path / place / "deeper").mkdir(parents=True) if "/" in place else (tmp_path / place).mkdir()
    sweep_scratch(tmp_path)
    assert {f"{entry.relative_to(tmp_path)}" for entry in tmp_path.glob("*/*")} == {f"shared/{living}", "strange/kept"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"shared", "strange"}
    sweep_scratch(tmp_path / "nowhere")


def build_deep_tree(root: Path, depth: int) -> None:
    """Deeper than a path can be long; back where it began after it."""
    here = os.getcwd()
    os.chdir(root)
    for _ in range(depth):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    Path("leaf").write_text("x")
    os.chdir(here)


def test_a_tree_that_is_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "scratch"
    root.mkdir()
    build_deep_tree(root, 300)
    remove_tree(root)
    assert not root.exists()


def test_folders_that_are_shut_are_removed(tmp_path: Path) -> None:
    inner = tmp_path / "scratch" / "0" / "shut"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0)
    inner.parent.chmod(0)
    remove_tree(tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    root, other = tmp_path / "scratch", tmp_path / "other"
    (root / "inner").mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("x")
    (root / "link").symlink_to(other)
    (root / "inner" / "link").symlink_to(other)
    remove_tree(root)
    assert (other / "kept").read_text() == "x"
    root.symlink_to(other)
    remove_tree(root)
    assert not root.is_symlink()
    assert (other / "kept").exists()


async def test_what_is_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_folders, "MOST_FILES", 20)
    scratch = Scratch(tmp_path / "scratch", 1)
    await scratch.make()
    assert scratch.inspect() is None
    (scratch.folder / "large").write_bytes(bytes(MB + 1))
    assert scratch.inspect() == "more than 1 MB of files"
    await scratch.make()
    for number in range(21):
        (scratch.folder / f"{number}").touch()
    assert scratch.inspect() == "more than 20 files"


async def test_what_is_hidden_too_deep_is_told(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch", 1)
    await scratch.make()
    build_deep_tree(scratch.folder, 30)
    told = scratch.inspect()
    assert told is not None
    assert "cannot be looked at" in told
    await scratch.remove()


async def test_large_files_with_nothing_in_them_count_for_nothing(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch", 1)
    await scratch.make()
    with (scratch.folder / "hole").open("wb") as file:
        file.truncate(100 * MB)
    assert scratch.inspect() is None
