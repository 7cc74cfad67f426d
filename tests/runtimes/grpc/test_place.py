"""The folders of a process: bounded while it lives, gone afterwards, whatever it left and however its gateway ended."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from jackfield.runtimes.grpc import place as module
from jackfield.runtimes.grpc.place import PREFIX, Place, sweep
from jackfield.runtimes.isolated.scratch import MOST_FILES

LATER_S = 3600.0


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "_SHORT", str(tmp_path))
    monkeypatch.setattr(module, "_LONGEST", 1000)
    return tmp_path


def nest(folder: Path, depth: int) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)


def test_what_is_nested_deeper_than_anything_recurs_goes_too(temporary: Path) -> None:
    place = Place()
    nest(place.own, 200)
    limit = sys.getrecursionlimit()
    # A folder is moved in some milliseconds on a disk: fewer of them, and less room to recur in.
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        place.remove()
    finally:
        sys.setrecursionlimit(limit)
    assert list(temporary.iterdir()) == []


def test_links_in_it_are_not_followed(temporary: Path) -> None:
    place = Place()
    kept = temporary / "kept"
    kept.mkdir()
    (place.own / "link").symlink_to(kept)
    place.remove()
    assert list(temporary.iterdir()) == [kept]


def test_more_files_than_it_may_have_are_seen() -> None:
    place = Place()
    assert place.inspect(1) is None
    (place.own / "large").write_bytes(b"x" * 2 * 1024 * 1024)
    assert place.inspect(1) == "more than 1 MB of files"
    for number in range(MOST_FILES):
        (place.own / f"{number}").touch()
    assert place.inspect(64) == "more than 1,000 files"
    place.remove()


def test_what_a_killed_gateway_left_is_swept(temporary: Path) -> None:
    left = temporary / f"{PREFIX}abcdefgh"
    (left / "own").mkdir(parents=True)
    sweep(time.time() + LATER_S)
    assert not left.exists()


def test_what_is_held_young_a_link_or_named_otherwise_stays(temporary: Path) -> None:
    held = Place()
    sweep(time.time() + LATER_S)
    assert held.own.exists()
    held.remove()
    young, other = temporary / f"{PREFIX}young", temporary / "jackfield-other"
    young.mkdir()
    other.mkdir()
    link = temporary / f"{PREFIX}link"
    link.symlink_to(other)
    sweep()
    later = time.time() + LATER_S
    os.utime(young, (later, later))
    sweep(later)
    assert {young, other, link} == set(temporary.iterdir())


def test_what_is_another_users_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = temporary / f"{PREFIX}abcdefgh"
    left.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    sweep(time.time() + LATER_S)
    assert left.exists()
