"""Wheels that strangers made: refused before anything of them is written."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile, ZipInfo

import pytest
from tests.runtimes.isolated_env.wheels import digest_of, make_plugin, make_wheel, write_lock

from jackfield.clock import SystemClock
from jackfield.errors import ConfigError
from jackfield.runtimes.isolated import wheels
from jackfield.runtimes.isolated.environments import environment_for
from jackfield.runtimes.isolated.supply import Supply

OFFLINE = Supply(offline=True, environ={}, deadline_s=20)


async def refuse(folder: Path) -> str:
    """What is said; nothing was written."""
    data = folder.parent / "data"
    with pytest.raises(ConfigError) as caught:
        await environment_for(folder, data, SystemClock(), OFFLINE)
    assert list((data / "environments").iterdir()) == []
    assert str(caught.value).startswith(f"{folder}/requirements.lock:")
    return str(caught.value)


@pytest.mark.parametrize(
    ("wheel", "words"),
    [
        ({"files": {"x.pth": "import os"}}, "it holds 'x.pth', which would run code at every start"),
        ({"files": {"demo-1.0.data/purelib/x.pth": ""}}, "it holds 'x.pth'"),
        ({"files": {"sitecustomize.py": ""}}, "it holds 'sitecustomize.py', which would run at every start"),
        ({"files": {"usercustomize/__init__.py": ""}}, "which would run at every start"),
        ({"files": {"sitecustomize.cpython-311-x86_64-linux-gnu.so": ""}}, "which would run at every start"),
        ({"files": {"demo-1.0.data/platlib/sitecustomize.pyc": ""}}, "which would run at every start"),
        ({"files": {"jackfield/errors.py": ""}}, "jackfield is the gateway's own"),
        ({"files": {"demo-1.0.data/data/etc/cron.d/x": ""}}, "outside of site-packages"),
        ({"files": {"demo-1.0.data/scripts": ""}}, "outside of site-packages"),
        ({"files": {"demo-1.0.data/scripts/../../../x": ""}}, "no path below"),
        ({"files": {"../../evil.py": ""}}, "it holds '../../evil.py', which is no path below its folder"),
        ({"files": {"demo/../../evil.py": ""}}, "no path below"),
        ({"files": {"/etc/evil": ""}}, "no path below"),
        ({"files": {"demo//x.py": ""}}, "no path below"),
        ({"files": {"demo\\..\\x.py": ""}}, "no path below"),
        ({"files": {"demo/\x1b[2J.py": ""}}, "no path below"),
        ({"files": {"/".join(["d"] * 40): ""}}, "32 folders"),
        ({"files": {"x" * 600: ""}}, "longer than 512 characters"),
        ({"links": {"passwd": "/etc/passwd"}}, "it holds 'passwd', which is neither a file nor a folder"),
        ({"says": "other"}, "it says that it is other 1.0"),
        ({"files": {"a": "", "a/b": ""}}, "cannot be made"),
    ],
)
async def test_what_would_run_by_itself_or_lies_elsewhere_is_refused(
    tmp_path: Path, wheel: dict[str, Any], words: str
) -> None:
    assert words in (await refuse_any(make_plugin(tmp_path / "plugin", **wheel)))


async def refuse_any(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        await environment_for(folder, folder.parent / "data", SystemClock(), OFFLINE)
    assert list((folder.parent / "data" / "environments").iterdir()) == []
    return str(caught.value)


async def test_scripts_and_headers_which_no_import_needs_are_not_unpacked(tmp_path: Path) -> None:
    files = {"demo.py": "", "demo-1.0.data/scripts/demo": "#!python", "demo-1.0.data/headers/demo/demo.h": ""}
    folder = make_plugin(tmp_path / "plugin", files=files)
    environment = await environment_for(folder, tmp_path / "data", SystemClock(), OFFLINE)
    assert environment is not None
    names = {path.name for path in environment.site_packages.iterdir()}
    assert names == {"demo.py", "demo-1.0.dist-info", "__pycache__"}


async def test_a_wrong_digest_is_refused_by_package_and_line(tmp_path: Path) -> None:
    folder = make_plugin(tmp_path / "plugin")
    make_wheel(folder / "wheels", files={"demo.py": "other"})
    words = await refuse(folder)
    digest = digest_of(next((folder / "wheels").iterdir()))
    assert f"lock:1: demo==1.0: demo-1.0-py3-none-any.whl has the digest sha256:{digest}, which is none" in words


async def test_a_source_distribution_is_refused(tmp_path: Path) -> None:
    folder = make_plugin(tmp_path / "plugin")
    next((folder / "wheels").iterdir()).unlink()
    (folder / "wheels" / "demo-1.0.tar.gz").write_bytes(b"")
    assert "demo==1.0: demo-1.0.tar.gz would run code of its own to be installed: a wheel is needed" in await refuse(
        folder
    )


async def test_a_wheel_for_another_machine_is_refused(tmp_path: Path) -> None:
    words = await refuse(make_plugin(tmp_path / "plugin", tag="cp39-cp39-win_amd64"))
    assert "demo-1.0-cp39-cp39-win_amd64.whl is not for this Python on this machine" in words


async def test_what_is_not_brought_is_not_there_offline(tmp_path: Path) -> None:
    folder = make_plugin(tmp_path / "plugin")
    next((folder / "wheels").iterdir()).unlink()
    assert "no wheel of it is in wheels/, and packages are not fetched here" in await refuse(folder)


async def test_the_wheel_that_fits_best_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "plugin"
    plain = make_wheel(folder / "wheels", files={"demo.py": "x = 'plain'"})
    special = make_wheel(folder / "wheels", files={"demo.py": "x = 'special'"}, tag="cp311-none-any")
    lock = write_lock(folder, plain)
    lock.write_text(f"{lock.read_text().rstrip()} --hash=sha256:{digest_of(special)}")
    environment = await environment_for(folder, tmp_path / "data", SystemClock(), OFFLINE)
    assert environment is not None
    fits = wheels.sys_tags().__next__().interpreter == "cp311"
    assert (environment.site_packages / "demo.py").read_text() == ("x = 'special'" if fits else "x = 'plain'")


async def test_two_packages_may_not_bring_the_same_file(tmp_path: Path) -> None:
    folder = tmp_path / "plugin"
    made = [make_wheel(folder / "wheels", name, files={"shared.py": name}) for name in ("a", "b")]
    write_lock(folder, *made)
    assert "b==1.0: brings shared.py, and so does a==1.0" in await refuse(folder)


async def test_compiled_code_of_a_wheel_is_not_taken(tmp_path: Path) -> None:
    """It could be other code than its source."""
    files = {"demo.py": "x = 1", "__pycache__/demo.cpython-311.pyc": b"evil"}
    environment = await environment_for(
        make_plugin(tmp_path / "plugin", files=files), tmp_path / "data", SystemClock(), OFFLINE
    )
    assert environment is not None
    assert (environment.site_packages / "__pycache__/demo.cpython-311.pyc").read_bytes() != b"evil"


# Bombs and zips that lie


def patch_directory(path: Path, change: Callable[[ZipInfo], None]) -> None:
    """Writes the central directory anew, with each entry changed."""
    with ZipFile(path, "a") as archive:
        archive._didModify = True  # type: ignore[attr-defined]
        for info in archive.infolist():
            if info.filename == "demo.py":
                change(info)


def plugin_with(folder: Path, change: Callable[[Path], None], **wheel: Any) -> Path:
    path = make_wheel(folder / "wheels", **wheel)
    change(path)
    write_lock(folder, path)
    return folder


async def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it unpacks to three gigabytes."""
    monkeypatch.setattr(wheels, "unpack_wheel", pytest.fail)

    def grow(path: Path) -> None:
        patch_directory(path, lambda info: setattr(info, "file_size", 3 * 1024**3))

    words = await refuse(plugin_with(tmp_path / "plugin", grow))
    assert "it unpacks to more than 1,024 MB or 50,000 files" in words


async def test_so_is_one_of_many_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "MOST_BYTES", 5000)
    folder = tmp_path / "plugin"
    made = [make_wheel(folder / "wheels", name, files={f"{name}.py": "#" * 3000}) for name in ("a", "b")]
    write_lock(folder, *made)
    with pytest.raises(ConfigError, match="its packages unpack to 0 MB in 6 files; at most"):
        await environment_for(folder, tmp_path / "data", SystemClock(), OFFLINE)


async def test_one_that_lies_of_its_size_writes_no_more_than_it_said(tmp_path: Path) -> None:
    def shrink(path: Path) -> None:
        patch_directory(path, lambda info: setattr(info, "file_size", 10))

    folder = plugin_with(tmp_path / "plugin", shrink, files={"demo.py": "x" * 1_000_000})
    assert "is damaged: Bad CRC-32 for file 'demo.py'" in await refuse(folder)


async def test_so_is_one_of_many_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "MOST_FILES", 3)
    folder = make_plugin(tmp_path / "plugin", files={f"{name}.py": "" for name in "abcd"})
    assert "or 3 files" in await refuse(folder)


async def test_a_directory_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    def lie(path: Path) -> None:
        body = bytearray(path.read_bytes())
        body[-10:-6] = struct.pack("<L", 400 * 1024**2)
        path.write_bytes(bytes(body))

    folder = plugin_with(tmp_path / "plugin", lie)
    tracemalloc.start()
    assert "its directory is larger than 8 MB" in await refuse(folder)
    assert tracemalloc.get_traced_memory()[1] < 16 * 1024**2
    tracemalloc.stop()


def append(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes() + data) and None


def pack_twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), ZipFile(path, "a") as archive:
        archive.writestr("demo.py", "other")


def pack_strangely(path: Path) -> None:
    with ZipFile(path, "a", ZIP_LZMA) as archive:
        archive.writestr("strange.py", "x")


def hide_a_name(path: Path) -> None:
    """Behind a zero, which some readers end names at."""
    path.write_bytes(path.read_bytes().replace(b"demo.py", b"demo.p\0"))


def comment(path: Path) -> None:
    with ZipFile(path, "a", ZIP_DEFLATED) as archive:
        archive.comment = b"PK\5\6"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (append(b"x"), "does not end as a zip archive"),
        (comment, "without a comment"),
        (pack_twice, "it holds 'demo.py' twice"),
        (pack_strangely, "packed in a way that wheels are not"),
        (hide_a_name, "no path below"),
        (lambda path: path.write_bytes(b""), "it is no zip archive"),
        (lambda path: path.write_bytes(b"PK\5\6" + b"\xff" * 16 + b"\0\0"), "its directory is larger"),
        (lambda path: patch_directory(path, lambda info: setattr(info, "flag_bits", 1)), "is encrypted"),
        (lambda path: patch_directory(path, lambda info: setattr(info, "filename", "../x.py")), "no path below"),
        (lambda path: patch_directory(path, lambda info: setattr(info, "filename", "other.py")), "is damaged"),
    ],
)
async def test_a_zip_that_is_not_plain_is_refused(tmp_path: Path, change: Callable[[Path], None], words: str) -> None:
    assert words in await refuse(plugin_with(tmp_path / "plugin", change))


async def test_a_wheel_by_a_link_is_refused(tmp_path: Path) -> None:
    folder = make_plugin(tmp_path / "plugin")
    wheel = next((folder / "wheels").iterdir())
    wheel.rename(tmp_path / "elsewhere")
    wheel.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read: Too many levels of symbolic links" in await refuse(folder)


async def test_what_says_nothing_of_itself_is_refused(tmp_path: Path) -> None:
    def bare(path: Path) -> None:
        with ZipFile(path, "w") as archive:
            archive.writestr("demo.py", "x = 1")

    assert "it says in no one place what it is" in await refuse(plugin_with(tmp_path / "plugin", bare))
