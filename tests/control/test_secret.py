"""The secret of a gateway is made once, by one process, and read by all."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from jackfield.control.secret import load_secret
from jackfield.errors import ConfigError


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = load_secret(folder, {})
    assert load_secret(folder, {}) == first
    assert len(first) == 64
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


async def test_all_who_start_at_once_get_the_same_secret(tmp_path: Path) -> None:
    starts = [asyncio.to_thread(load_secret, tmp_path, {}) for _ in range(16)]
    assert len(set(await asyncio.gather(*starts))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_the_environment_decides_and_no_file_is_made(tmp_path: Path) -> None:
    assert load_secret(tmp_path, {"JACKFIELD_SECRET": "sixteen letters!"}) == b"sixteen letters!"
    assert list(tmp_path.iterdir()) == []


def test_a_short_secret_is_refused_by_name_without_telling_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="JACKFIELD_SECRET is too short") as refused:
        load_secret(tmp_path, {"JACKFIELD_SECRET": "hunter2"})
    assert "hunter2" not in str(refused.value)
    (tmp_path / "secret.key").write_text("")
    with pytest.raises(ConfigError, match=r"secret\.key is too short"):
        load_secret(tmp_path, {})


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file"):
        load_secret(tmp_path / "file" / "data", {})
