"""An archive has one form, to the byte."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield.sources.archives import zipped
from parcels import patched

FILES = {"b/c.txt": b"hello", "a": b"", "ü": b"x" * 100}
DATA = zipped.encode(FILES)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
LOCAL, CENTRAL, END = 30, 46, 22
DIRECTORY = sum(LOCAL + len(name.encode()) + len(data) for name, data in FILES.items())


def refuse(data: bytes, match: str = "is refused") -> None:
    with pytest.raises(ManifestError, match=match):
        zipped.decode(data, "some.jackfield")


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=10))
def test_what_was_packed_is_what_comes_out(files: dict[str, bytes]) -> None:
    data = zipped.encode(files)
    if files:
        assert {path: bytes(held) for path, held in zipped.decode(data, "it").items()} == files
    assert zipped.encode(dict(reversed(files.items()))) == data


def test_any_program_reads_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


def test_no_bit_of_it_can_be_another() -> None:
    for at in range(len(DATA)):
        for bit in range(8):
            changed = bytearray(DATA)
            changed[at] ^= 1 << bit
            refuse(bytes(changed))


def test_no_part_of_it_is_taken_for_the_whole() -> None:
    for length in range(len(DATA)):
        refuse(DATA[:length])


@settings(max_examples=200)
@given(st.data())
def test_an_edit_anywhere_is_refused_or_makes_another_archive_of_the_one_form(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(DATA)))
    end = data.draw(st.integers(begin, len(DATA)))
    changed = DATA[:begin] + data.draw(st.binary(max_size=60)) + DATA[end:]
    try:
        files = zipped.decode(changed, "it")
    except ManifestError:
        return
    assert zipped.encode({path: bytes(held) for path, held in files.items()}) == changed


def other(method: int = zipfile.ZIP_STORED, comment: bytes = b"", extra: bytes = b"", *names: str) -> bytes:
    """As another program would pack it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names or ("PACK.json",):
            entry = zipfile.ZipInfo(name)
            entry.extra = extra
            archive.writestr(entry, b"{}" * 100, method)
        archive.comment = comment
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x05\x06" + b"\0" * 18, id="an empty zip"),
        pytest.param(b"#!/bin/sh\n" + DATA, id="a program before it"),
        pytest.param(DATA + b"\0", id="something behind it"),
        pytest.param(DATA + DATA, id="two of them"),
        pytest.param(DATA[:DIRECTORY] + b"hidden" + DATA[DIRECTORY:], id="something between"),
        pytest.param(other(), id="another program's dates"),
        pytest.param(other(zipfile.ZIP_DEFLATED), id="compressed"),
        pytest.param(other(zipfile.ZIP_LZMA), id="compressed otherwise"),
        pytest.param(other(comment=b"PK\x05\x06"), id="a comment that looks like an end"),
        pytest.param(other(extra=b"\x01\x00\x08\x00" + b"\0" * 8), id="a zip64 field"),
        pytest.param(other(zipfile.ZIP_STORED, b"", b"", "PACK.json", "PACK.json"), id="two labels"),
        pytest.param(patched(DATA, len(DATA) - END + 10, "<H", 0xFFFF), id="more entries than there are"),
        pytest.param(patched(DATA, len(DATA) - END + 10, "<H", 2), id="fewer entries than there are"),
        pytest.param(patched(DATA, len(DATA) - END + 16, "<I", 0xFFFF_FFFF), id="a directory behind the end"),
        pytest.param(patched(DATA, DIRECTORY + 24, "<I", 0xFFFF_FFFF), id="a size without an end"),
        pytest.param(patched(DATA, DIRECTORY + 42, "<I", 5), id="a file over another"),
        pytest.param(patched(DATA, DIRECTORY + 38, "<I", 0o120777 << 16), id="a link"),
        pytest.param(patched(DATA, DIRECTORY + 38, "<I", 0o020666 << 16), id="a device"),
    ],
)
def test_what_is_not_that_form_is_refused(data: bytes) -> None:
    refuse(data)


def test_names_that_stand_in_another_order_are_refused() -> None:
    first, second = zipped.encode({"a": b"1"}), zipped.encode({"b": b"2"})
    length = LOCAL + 2
    end = zipped.encode({"a": b"1", "b": b"2"})[-END:]
    directory = second[length : length + CENTRAL + 1]
    moved = patched(first[length : length + CENTRAL + 1], 42, "<I", length)
    refuse(second[:length] + first[:length] + directory + moved + end, "not in order")


def test_the_command_line_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "it.zip"
    file.write_bytes(DATA)
    told = subprocess.run(
        [sys.executable, "-m", "zipfile", "-t", str(file)], capture_output=True, text=True, timeout=20, check=False
    )
    assert "Done testing" in told.stdout, told.stderr
