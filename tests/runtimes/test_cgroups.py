"""Control groups, on a tree of files that is laid out as the kernel's is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from jackfield.runtimes import cgroups
from jackfield.runtimes.cgroups import Group, enclose, locate
from jackfield.runtimes.limits import MB, Limits

LIMITS = Limits(memory_mb=100, threads=34)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "self"
    file.write_text("1:name=systemd:/\n0::/system.slice/jackfield.service\n")
    return file


@pytest.fixture
def service(tmp_path: Path) -> Path:
    folder = tmp_path / "system.slice" / "jackfield.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("cpu memory pids\n")
    (folder / "cgroup.subtree_control").write_text("\n")
    (folder / "cgroup.procs").write_text("")
    return folder


class Tree:
    """Makes a new folder as the kernel does: with files in it."""

    def __init__(self, *files: str) -> None:
        self._files = files

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make = Path.mkdir

        def mkdir(folder: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
            make(folder, mode, parents, exist_ok)
            for name in self._files:
                (folder / name).touch()

        monkeypatch.setattr(Path, "mkdir", mkdir)
        monkeypatch.setattr(Path, "rmdir", lambda folder: shutil.rmtree(folder))


FILES = ("cgroup.procs", "memory.max", "memory.oom.group", "memory.events", "pids.max")


def test_a_process_is_put_into_a_group_that_bounds_it(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tree(*FILES).install(monkeypatch)
    group = enclose(4321, LIMITS, service)
    assert group is not None
    (folder,) = service.glob(f"plugin-{os.getpid()}-*")
    told = {name: (folder / name).read_text().strip() for name in FILES}
    assert told == {
        "cgroup.procs": "4321", "memory.max": f"{100 * MB}", "memory.oom.group": "1", "memory.events": "",
        "pids.max": "50",
    }  # fmt: skip
    assert group.remove()
    assert not folder.exists()


def test_what_the_kernel_killed_it_for_is_told(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tree(*FILES).install(monkeypatch)
    group = Group(service / "plugin", LIMITS)
    events = service / "plugin" / "memory.events"
    events.write_text("low 0\noom 0\noom_kill 0\noom_group_kill 0\n")
    assert group.explain() is None
    events.write_text("low 0\noom 1\noom_kill 1\noom_group_kill 1\n")
    assert group.explain() == "more than 100 MB of memory"
    shutil.rmtree(service / "plugin")
    assert group.explain() is None


def test_where_a_controller_is_missing_there_is_no_group(service: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tree("cgroup.procs", "memory.max", "memory.oom.group").install(monkeypatch)
    assert enclose(4321, LIMITS, service) is None
    assert not list(service.glob("plugin-*"))


def test_where_no_group_can_be_made_there_is_none(tmp_path: Path) -> None:
    assert enclose(4321, LIMITS, None) is None
    assert enclose(4321, LIMITS, tmp_path / "nowhere") is None


def test_a_place_is_where_the_controllers_are_switched_on(tmp_path: Path, service: Path, own: Path) -> None:
    assert locate(tmp_path, own) is None
    (service / "cgroup.subtree_control").write_text("cpu memory pids\n")
    assert locate(tmp_path, own) == service


def test_another_process_of_a_gateway_that_went_aside_finds_the_same(tmp_path: Path, service: Path, own: Path) -> None:
    (service / "cgroup.subtree_control").write_text("memory pids\n")
    own.write_text("0::/system.slice/jackfield.service/gateway\n")
    assert locate(tmp_path, own) == service


def test_a_group_that_was_handed_to_the_gateway_it_prepares(
    tmp_path: Path, service: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tree("cgroup.procs").install(monkeypatch)
    monkeypatch.setattr(cgroups, "_is_delegated", lambda folder: folder == service)
    assert locate(tmp_path, own) == service
    assert (service / "gateway" / "cgroup.procs").read_text() == f"{os.getpid()}\n"
    assert (service / "cgroup.subtree_control").read_text() == "+memory +pids\n"


def test_where_others_are_in_it_the_gateway_goes_back(
    tmp_path: Path, service: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tree("cgroup.procs").install(monkeypatch)
    monkeypatch.setattr(cgroups, "_is_delegated", lambda folder: True)
    (service / "cgroup.subtree_control").unlink()
    (service / "cgroup.subtree_control").symlink_to(tmp_path / "nowhere" / "busy")
    monkeypatch.setattr(cgroups, "_is_ready", lambda folder: False)
    assert locate(tmp_path, own) is None
    assert not (service / "gateway").exists()
    assert (service / "cgroup.procs").read_text() == f"{os.getpid()}\n"


def test_a_group_that_is_not_the_gateways_is_left_alone(tmp_path: Path, service: Path, own: Path) -> None:
    assert locate(tmp_path, own) is None
    assert sorted(entry.name for entry in service.iterdir()) == [
        "cgroup.controllers", "cgroup.procs", "cgroup.subtree_control",
    ]  # fmt: skip


def test_where_there_is_no_such_version_there_is_no_place(tmp_path: Path) -> None:
    assert locate(tmp_path, tmp_path / "missing") is None
    (tmp_path / "self").write_text("4:memory:/\n")
    assert locate(tmp_path, tmp_path / "self") is None
