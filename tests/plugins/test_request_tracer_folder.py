"""The folder of `request_tracer` stays within its bounds, and holds nothing that is half written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jackfield.plugins.request_tracer.folder import Bounds, Folder

NAMES = [f"20260101T00000{number}.000-req_{number}.json" for number in range(6)]


def filled(folder: Path, bounds: Bounds) -> Folder:
    """Six files of 100 bytes, one written each second from 0 on."""
    made = Folder(folder, bounds)
    made.open()
    for second, name in enumerate(NAMES):
        made.write(name, b"x" * 100)
        os.utime(folder / name, (second, second))
    (folder / "notes.json").write_text("not ours")
    return made


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        (Bounds(files=2, total_bytes=10_000, age_s=100), NAMES[4:]),
        (Bounds(files=100, total_bytes=350, age_s=100), NAMES[3:]),
        (Bounds(files=100, total_bytes=10_000, age_s=1), NAMES[4:]),
        (Bounds(files=100, total_bytes=10_000, age_s=100), NAMES),
    ],
    ids=["number", "size", "age", "none"],
)
def test_the_oldest_go_first_and_what_is_not_ours_stays(tmp_path: Path, bounds: Bounds, kept: list[str]) -> None:
    filled(tmp_path, bounds).prune(now=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*kept, "notes.json"]


def test_it_is_looked_through_only_now_and_then(tmp_path: Path) -> None:
    """A twentieth of what is kept may come before that, or a minute pass."""
    folder = Folder(tmp_path, Bounds(files=40, total_bytes=10_000, age_s=10_000))
    folder.open()

    def kept_after(number: int, now: float) -> int:
        folder.write(f"20260101T000000.{number:03}-req.json", b"x")
        folder.prune_if_due(now)
        return len(list(tmp_path.iterdir()))

    assert max(kept_after(number, now=0) for number in range(45)) == 41
    assert kept_after(46, now=61) == 40


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    folder = filled(tmp_path, Bounds(10, 1000, 100))
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(OSError, match="taken"):
        folder.write("taken.json", b"x")
    assert not list(tmp_path.glob(".*"))


def test_a_link_that_somebody_laid_is_not_followed(tmp_path: Path) -> None:
    folder = filled(tmp_path, Bounds(10, 1000, 100))
    (tmp_path / ".a.json.tmp").symlink_to(tmp_path / "notes.json")
    with pytest.raises(OSError, match="symbolic"):
        folder.write("a.json", b"x")
    assert (tmp_path / "notes.json").read_text() == "not ours"


def test_what_a_killed_worker_left_half_written_goes_too(tmp_path: Path) -> None:
    old, new = tmp_path / f".{NAMES[0]}.tmp", tmp_path / f".{NAMES[1]}.tmp"
    probe = tmp_path / ".123.tmp"
    for at, place in ((0, old), (0, probe), (99, new)):
        place.touch()
        os.utime(place, (at, at))
    Folder(tmp_path, Bounds(files=2, total_bytes=10_000, age_s=100)).prune(now=100)
    assert list(tmp_path.iterdir()) == [new]
