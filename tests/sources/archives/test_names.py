"""A file in an archive has one name, inside its folder, on every file system; and runs when it is asked to."""

from __future__ import annotations

import pytest

from jackfield.errors import ManifestError
from jackfield.sources.archives.names import check_names


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["../up"], "climbs out"),
        (["a/../../up"], "climbs out"),
        (["/etc/passwd"], "is absolute"),
        (["//host/share"], "is absolute"),
        (["a//b"], "not spelled plainly"),
        (["./a"], "not spelled plainly"),
        (["a/."], "not spelled plainly"),
        (["a/"], "not spelled plainly"),
        ([""], "not spelled plainly"),
        (["C:\\x"], "characters"),
        (["a\\..\\b"], "characters"),
        (["c:x"], "characters"),
        (["a\0b"], "characters"),
        (["a\nb"], "characters"),
        (["a\u202eb"], "characters"),
        (["a\ud800"], "characters"),
        (["a."], "ends with a dot"),
        (["a /b"], "space"),
        (["a" * 256], "longer than 255"),
        (["é" * 128], "longer than 255"),
        (["abcd/" * 210 + "x"], "longer than 1024"),
        (["a/" * 40 + "x"], "deeper than 32"),
        (["e\u0301"], "several ways"),
        (["x.pth"], "runs unseen"),
        (["lib/X.PTH"], "runs unseen"),
        (["x.pyc"], "runs unseen"),
        (["sitecustomize.py"], "without being asked"),
        (["a/SiteCustomize.PY"], "without being asked"),
        (["usercustomize/__init__.py"], "without being asked"),
        (["sitecustomize.cpython-311-x86_64-linux-gnu.so"], "without being asked"),
        (["a/__pycache__/x.cpython-311.py"], "in place of its source"),
        (["a", "a"], "twice"),
        (["a.txt", "A.TXT"], "twice"),
        (["straße", "STRASSE"], "twice"),
        (["A/x", "a/y"], "one folder"),
        (["a", "a/b"], "a file and a folder"),
        (["a/b", "A"], "a file and a folder"),
    ],
)
def test_a_name_that_is_not_in_order_is_refused(paths: list[str], told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        check_names(paths, "it")


def test_ordinary_names_are_in_order() -> None:
    assert check_names(["a.py", "b/c.py", "b/d e.txt", "größe/日本.md", "pycache/x", ".npmrc"], "it") is None


def test_hidden_files_have_no_place_in_an_archive() -> None:
    with pytest.raises(ManifestError, match="is hidden"):
        check_names(["a/.git/config"], "it", hidden=False)
