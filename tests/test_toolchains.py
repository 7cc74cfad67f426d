"""What only some machines have: skipped where it is missing, unless the run says that it must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

import toolchains


def test_what_is_missing_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchains, "REQUIRED", frozenset())
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        toolchains.lack("go", "there is no such thing")


def test_what_is_required_fails_and_says_who_required_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchains, "REQUIRED", frozenset({"go"}))
    with pytest.raises(pytest.fail.Exception, match="JACKFIELD_REQUIRE names go, but there is no such thing"):
        toolchains.lack("go", "there is no such thing")


def test_what_was_made_is_used_again_until_its_sources_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolchains, "CACHE", tmp_path / "cache")
    source, made = tmp_path / "source", list[Path]()
    for text in ("one", "one", "two"):
        source.write_text(text)
        toolchains._digest.cache_clear()
        folder = toolchains._kept("kind", [source], made.append)
        assert folder.is_dir()
    assert len(made) == 2
