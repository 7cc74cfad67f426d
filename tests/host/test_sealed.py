"""Sealed copies: whole or not there, and never other than what they are named after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield.host import sealed
from jackfield.host.sealed import YOUNG_S, SealedCode, digest

paths = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}\.py", fullmatch=True)
files = st.dictionaries(paths, st.binary(max_size=8), max_size=4)
FILES: dict[str, bytes] = {"one/plugin.py": b"A = 1", "one/deep/er.py": b"B = 2"}


@pytest.fixture
def code(tmp_path: Path) -> SealedCode:
    return SealedCode(tmp_path / "code")


@given(files, files)
def test_two_contents_have_one_name_only_where_they_are_the_same(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (digest(one) == digest(other)) == (one == other)
    assert digest(dict(reversed(one.items()))) == digest(one)


@pytest.mark.parametrize(
    ("one", "other"), [({"a": b"b\0c"}, {"a\0b": b"c"}), ({"a": b"", "b": b"x"}, {"a": b"b", "x": b""})]
)
def test_names_and_bytes_cannot_be_taken_for_each_other(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert digest(one) != digest(other)


def test_a_copy_has_the_files_and_can_be_checked(code: SealedCode, tmp_path: Path) -> None:
    given_file = tmp_path / "given.py"
    given_file.write_bytes(b"A = 1")
    name = code.seal({**FILES, "one/plugin.py": given_file})
    assert code.check(name) == code.place(name)
    assert {str(file.relative_to(code.place(name))) for file in code.place(name).rglob("*.py")} == set(FILES)
    assert code.seal(FILES) == name


@pytest.mark.parametrize("path", ["../out.py", "/out.py", "one/../../out.py"])
def test_a_path_that_leads_out_is_refused(code: SealedCode, path: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="leads out"):
        code.seal({path: b""})
    assert not (tmp_path / "code").exists()


def spoil(place: Path, how: str) -> None:
    file = place / "one" / "plugin.py"
    if how == "changed":
        file.write_bytes(b"A = 7")
    elif how == "cut":
        file.write_bytes(b"")
    elif how == "gone":
        file.unlink()
    else:
        (place / "one" / "more.py").write_bytes(b"")


@pytest.mark.parametrize("how", ["changed", "cut", "gone", "more"])
def test_a_copy_that_is_not_what_it_was_is_refused_and_made_anew(code: SealedCode, how: str) -> None:
    """A power cut may leave half of one, and a plugin or a person may have written into it."""
    name = code.seal(FILES)
    spoil(code.place(name), how)
    with pytest.raises(ManifestError, match="was changed"):
        code.check(name)
    assert code.seal(FILES) == name
    assert code.check(name) == code.place(name)
    assert [place.name for place in code.place(name).parent.iterdir()] == [name]


def test_a_copy_that_is_gone_is_refused(code: SealedCode) -> None:
    with pytest.raises(ManifestError, match="is gone"):
        code.check("0" * 64)


def test_one_that_another_worker_has_put_meanwhile_is_taken(code: SealedCode, monkeypatch: pytest.MonkeyPatch) -> None:
    other, make = SealedCode(code.place("x").parent), sealed.tempfile.mkdtemp

    def put_first(**given: str) -> str:
        monkeypatch.setattr(sealed.tempfile, "mkdtemp", make)
        other.keep(FILES)
        return make(**given)

    monkeypatch.setattr(sealed.tempfile, "mkdtemp", put_first)
    name = code.keep(FILES)
    assert [place.name for place in code.place(name).parent.iterdir()] == [name]
    assert code.check(name)


def test_a_disk_that_fills_up_leaves_nothing(code: SealedCode, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def fill_up(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return len(data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(OSError, match="No space left"):
        code.keep(FILES)
    assert list(code.place("x").parent.iterdir()) == []


def test_what_nobody_names_is_removed_once_it_is_old(code: SealedCode) -> None:
    kept, old, young = (code.keep({"a.py": data}) for data in (b"kept", b"old", b"young"))
    code.place(".half-made").mkdir()
    long_ago = code.place(old).stat().st_mtime - YOUNG_S - 1
    for name in (kept, old, ".half-made"):
        os.utime(code.place(name), (long_ago, long_ago))
    code.forget_all_but({kept})
    assert {place.name for place in code.place(kept).parent.iterdir()} == {kept, young}
