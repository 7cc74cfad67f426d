"""Pins: the hash in the manifest against the bytes that run."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.rings.lint import PluginSecurityError
from jackfield.dialects.rings.names.plugin_engine import compute_plugin_sha256
from jackfield.dialects.rings.pins import check_pin

from .folders import PASSES, entry, find_one, reason_of, write_folder

RIGHT = hashlib.sha256(PASSES.encode()).hexdigest()


@pytest.mark.parametrize("pin", [RIGHT, RIGHT.upper(), f"sha256:{RIGHT}"])
def test_the_pinned_file_runs_without_a_word(tmp_path: Path, pin: str, caplog: pytest.LogCaptureFixture) -> None:
    find_one(write_folder(tmp_path, entry(sha256=pin))).load()
    assert "SHA-256 pin" not in caplog.text


def test_another_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, entry(sha256="a" * 64))
    told = f"PluginSecurityError: SHA-256 pin mismatch (expected {'a' * 64}, got {RIGHT})"
    assert reason_of(find_one(folder)) == told


def test_the_pin_is_checked_before_anything_of_the_file_runs(tmp_path: Path) -> None:
    files = {"marketplace/my_plugin.py": "raise RuntimeError('ran')"}
    assert "pin mismatch" in reason_of(find_one(write_folder(tmp_path, entry(sha256=RIGHT), files=files)))


def test_a_pin_of_the_text_fits_whatever_its_line_ends() -> None:
    pin = compute_plugin_sha256("a = 1\nb = 2\n")
    for code in (b"a = 1\nb = 2\n", b"a = 1\r\nb = 2\r\n", b"a = 1\rb = 2\r"):
        check_pin(pin, code)
    check_pin(hashlib.sha256(b"a = 1\r\n").hexdigest(), b"a = 1\r\n")
    with pytest.raises(PluginSecurityError):
        check_pin(pin, b"a = 1\nb = 3\n")


def test_a_file_without_a_pin_is_told_once_for_each_version(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dialect, folder = RingDialect(), write_folder(tmp_path, entry())
    with caplog.at_level(logging.WARNING, logger="plugin_engine"):
        find_one(folder, dialect).load()
        find_one(folder, dialect).load()
        assert [record.name for record in caplog.records] == ["plugin_engine"]
        assert "SHA-256 pin" in caplog.text
        assert RIGHT in caplog.text
        write_folder(tmp_path, entry(), files={"marketplace/my_plugin.py": PASSES + "\n"})
        find_one(folder, dialect).load()
    assert len(caplog.records) == 2
