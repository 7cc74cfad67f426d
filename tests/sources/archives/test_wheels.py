"""A wheel is looked into before anything unpacks it."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from jackfield.errors import ManifestError
from jackfield.sources.archives.wheels import check_wheel, find_wheels, tell_misfits
from parcels import patched, wheel, zip_of

NAME = "guest/wheels/tiny-1.0-py3-none-any.whl"


def refuse(data: bytes, match: str, name: str = NAME) -> None:
    with pytest.raises(ManifestError, match=match):
        check_wheel(data, name)


def linking(mode: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entry = zipfile.ZipInfo("tiny.py")
        entry.external_attr = mode << 16
        archive.writestr(entry, "/etc/passwd")
    return stream.getvalue()


def test_an_ordinary_wheel_is_in_order() -> None:
    assert check_wheel(wheel(tiny__inner_py=b"x = 1", **{"tiny-1.0.data__scripts__tiny": b"#!python"}), NAME) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "stands before it or behind it", id="nothing"),
        pytest.param(b"#!" + wheel(), "before it or behind it", id="a program before it"),
        pytest.param(wheel() + b"\0", "before it or behind it", id="something behind it"),
        pytest.param(wheel(evil_pth=b""), r"evil\.pth' is a \.pth file", id="a .pth file"),
        pytest.param(wheel(sitecustomize_py=b""), "without being asked", id="a sitecustomize"),
        pytest.param(zip_of({"a/__pycache__/x.pyc": b""}), "runs unseen", id="compiled code"),
        pytest.param(zip_of({"../evil.py": b""}), "climbs out", id="a path that climbs out"),
        pytest.param(zip_of({"/etc/evil": b""}), "is absolute", id="an absolute path"),
        pytest.param(zip_of({"a.py": b"", "A.py": b""}), "is there twice", id="two names that are one"),
        pytest.param(linking(stat.S_IFLNK | 0o777), "a link or a device", id="a link"),
        pytest.param(linking(stat.S_IFCHR | 0o666), "a link or a device", id="a device"),
        pytest.param(zip_of({"bomb.py": b"\0" * 5_000_000}), "grows more than 300-fold", id="a bomb"),
    ],
)
def test_what_it_may_not_hold_is_refused(data: bytes, told: str) -> None:
    refuse(data, told)


def _central(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, len(data) - 6)[0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda data: patched(data, _central(data) + 24, "<I", 2**31), "unpacks to more", id="a huge size"),
        pytest.param(lambda data: patched(data, 26 + 4, "<B", ord("x")), "otherwise where it stands", id="two names"),
        pytest.param(lambda data: patched(data, len(data) - 12, "<H", 60_000), "holds more than", id="many entries"),
        pytest.param(lambda data: patched(data, len(data) - 12, "<H", 1), "longer or shorter", id="few entries"),
        pytest.param(lambda data: patched(data, _central(data) + 10, "<H", 12), "packed in a way", id="packed oddly"),
        pytest.param(lambda data: patched(data, _central(data) + 8, "<H", 1), "packed in a way", id="encrypted"),
        pytest.param(lambda data: patched(data, len(data) - 6, "<I", 2**31), "no sound wheel", id="no directory"),
    ],
)
def test_a_directory_that_lies_is_refused(change: object, told: str) -> None:
    assert callable(change)
    refuse(change(wheel()), told)


def test_files_that_lie_over_one_another_are_refused() -> None:
    data = zip_of({"a.py": b"1", "b.py": b"2"})
    second = _central(data) + 46 + len("a.py")
    refuse(patched(data, second + 42, "<I", 0), "over another|otherwise where it stands")


def test_a_wheel_is_called_as_wheels_are() -> None:
    refuse(wheel(), "Invalid wheel filename", "guest/wheels/tiny.whl")


def test_wheels_are_those_in_a_folder_of_wheels() -> None:
    paths = ["guest/plugin.py", NAME, "guest/data/other-1.0-py3-none-any.whl"]
    assert find_wheels(paths) == [NAME]
    assert find_wheels(["wheels/round.py", "wheels/square.py"]) == []
    with pytest.raises(ManifestError, match=r"tiny\.tar\.gz: is no wheel"):
        find_wheels([NAME, "guest/wheels/tiny.tar.gz"])


def test_one_wheel_of_a_package_must_fit_here() -> None:
    windows = "w/wheels/big-2-cp311-cp311-win_amd64.whl"
    assert list(tell_misfits([NAME, windows])) == ["big"]
    assert list(tell_misfits([NAME, windows, "w/wheels/big-2-py3-none-any.whl"])) == []
