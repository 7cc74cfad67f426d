"""What may be installed of what a catalogue lists."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import Conflict, ManifestError, NotFound
from jackfield.sources.archives.catalogue import Index, Listed, choose, read_index, search, write_index
from parcels import NOW, index_of, key_of, public_key, revoke

DAY = timedelta(days=1)


def version(number: str, days_old: float = 30, plugin: str = "guest", **more: Any) -> Listed:
    published = NOW - timedelta(days=days_old)
    return Listed(
        id=plugin,
        version=number,
        url=f"{plugin}-{number}.jackfield",
        sha256="0" * 64,
        size=1,
        published_at=published,
        **more,
    )


def chosen(index: Index, number: str | None = None, cooldown: timedelta = 3 * DAY) -> str:
    return choose(index, "guest", number, NOW, cooldown).version


def test_what_was_written_is_read() -> None:
    index = index_of(version("1.0", title="Größe"), revoked=(revoke(),))
    data = write_index(index, key_of("shop"))
    assert read_index(data, "it", public_key("shop")) == index
    compact = json.dumps(json.loads(data), separators=(",", ":")).encode()
    assert read_index(compact, "it", public_key("shop")) == index


@pytest.mark.parametrize(
    ("field", "value"),
    [("sequence", 2), ("name", "other"), ("expires_at", "2099-01-01T00:00:00Z"), ("revoked", []), ("plugins", [])],
)
def test_a_change_behind_the_signers_back_is_refused(field: str, value: object) -> None:
    told = json.loads(write_index(index_of(version("1.0"), revoked=(revoke(),)), key_of("shop")))
    told["index"][field] = value
    with pytest.raises(ManifestError, match="'shop' has not signed"):
        read_index(json.dumps(told).encode(), "it", public_key("shop"))


def test_another_key_than_the_operators_does_not_count() -> None:
    with pytest.raises(ManifestError, match="'shop' has not signed"):
        read_index(write_index(index_of(), key_of("mallory")), "it", public_key("shop"))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"index": {}}', b"\xff", b"[" * 100_000])
def test_what_is_no_index_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError, match="is no catalogue"):
        read_index(data, "it", public_key("shop"))


def test_an_index_lists_a_version_once() -> None:
    for first, second, told in (("1.0", "1", "twice"), ("1.0", "newest", "Invalid version")):
        data = write_index(index_of(version(first), version(second)), key_of("shop"))
        with pytest.raises(ManifestError, match=told):
            read_index(data, "it", public_key("shop"))


def test_the_newest_is_chosen_by_what_versions_mean() -> None:
    assert chosen(index_of(version("1.9"), version("1.10"), version("1.2"))) == "1.10"


def test_what_was_published_only_just_waits_unless_it_is_named_and_asked_for() -> None:
    index = index_of(version("1.0"), version("1.1", days_old=1))
    assert chosen(index) == "1.0"
    with pytest.raises(Conflict, match=r"1\.1 was published 2026-02-28 00:00 UTC, less than 3 days ago"):
        chosen(index, "1.1")
    assert chosen(index, "1.1", timedelta()) == "1.1"
    with pytest.raises(Conflict, match="less than 3 days ago"):
        chosen(index_of(version("1.1", days_old=1)))


def test_what_was_revoked_is_not_chosen_and_not_to_be_had_by_name() -> None:
    index = index_of(version("1.0"), version("1.1"), revoked=(revoke(version="1.1"),))
    assert chosen(index) == "1.0"
    with pytest.raises(Conflict, match=r"guest: 1\.1 was revoked: it leaks keys"):
        chosen(index, "1.1")
    with pytest.raises(Conflict, match=r"1\.1 was revoked: it leaks keys; 1\.0 was revoked"):
        chosen(index_of(version("1.0"), version("1.1"), revoked=(revoke(version=None),)))


@pytest.mark.parametrize("needs", [{"python": ">=4"}, {"jackfield": ">=99"}])
def test_what_does_not_run_here_is_not_chosen(needs: dict[str, str]) -> None:
    assert chosen(index_of(version("1.0", python=">=3.11", jackfield=">=0.1"), version("2.0", **needs))) == "1.0"


def test_what_is_not_listed_is_not_found() -> None:
    with pytest.raises(NotFound, match="The catalogue 'main' has no 'guest'"):
        chosen(index_of())
    with pytest.raises(NotFound, match=r"has no 'guest' 9\.9"):
        chosen(index_of(version("1.0")), "9.9")


def test_words_are_searched_in_all_that_is_told() -> None:
    index = index_of(
        version("1.0", description="Refuses shouting"), version("2.0", description="Refuses shouting"),
        version("1.0", plugin="other", title="Shouting again", author="Bob"),
    )  # fmt: skip
    assert [(one.id, one.version) for one in search(index, ["SHOUTING"])] == [("guest", "2.0"), ("other", "1.0")]
    assert [one.id for one in search(index, ["shouting", "bob"])] == ["other"]
    assert [one.id for one in search(index, [])] == ["guest", "other"]
    assert list(search(index, ["nothing"])) == []


def test_a_revocation_names_versions_as_they_mean() -> None:
    index = index_of(revoked=(revoke(version="1.0"),))
    assert [index.reason_against("guest", number) for number in ("1", "1.0.0", "1.1")] == ["it leaks keys"] * 2 + [None]
    assert index.reason_against("other", "1.0") is None


def test_an_index_is_a_file_that_people_can_read(tmp_path: Path) -> None:
    assert write_index(index_of(version("1.0")), key_of("shop")).decode().startswith('{\n "index": {\n')
