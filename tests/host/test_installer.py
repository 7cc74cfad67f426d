"""Installing what is on no disk of the gateway's: each refusal leaves the data folder as it was, to the byte."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from jackfield.errors import ConfigError, Conflict, JackfieldError, ManifestError, NotFound, Unavailable, Unprocessable
from jackfield.host.installing import UNCONFINED, Wish, choose_runtime
from jackfield.host.survey import Sighting
from jackfield.host.world import Entry
from jackfield.sources.base import Found
from parcels import (
    NOW,
    digest_of,
    files_in,
    key_of,
    listed,
    revoke,
    sealed_again,
    write_guest,
)

from .shop import Shop
from .versions import VERSION
from .world import World, reason, states

DAY = timedelta(days=1)
STORAGE = ("storage:read",)


async def test_an_archive_is_installed_and_survives_its_file_and_a_restart(shop: Shop) -> None:
    file = shop.put()
    await shop.install(file)
    plugin = shop.world.running.snapshot.plugins["guest"]
    assert (plugin.state, plugin.source, plugin.place) == ("active", "archive", str(file))
    origin = shop.world.running.origin("guest")
    assert origin is not None
    assert (origin.version, origin.signer) == ("1.0", key_of("alice").public.fingerprint)
    assert (await shop.install(file)).changed is False
    file.unlink()
    await shop.world.stop()
    await shop.world.start()
    assert states(shop.world.running.snapshot.plugins) == {"guest": "active"}


async def test_an_upgrade_is_rolled_back_and_goes_on(shop: Shop) -> None:
    await shop.install(shop.put("1.0"))
    await shop.install(shop.put("1.1"))
    assert shop.version == "1.1"
    await shop.world.running.rollback(actor="me")
    assert shop.version == "1.0"
    await shop.install(shop.put("1.10"))
    assert shop.version == "1.10"
    await shop.world.running.uninstall("guest", actor="me")
    assert states(shop.world.running.snapshot.plugins) == {}


Spoil = Callable[[bytes], bytes]
TOLD = {"id": "guest", "version": "1.0"}
LYING = "another plugin than its manifest"
SPOILED: list[tuple[str, Spoil, str]] = [
    ("one changed byte", lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:], "is refused"),
    ("cut off", lambda data: data[:-1], "is refused"),
    ("a wrong signer", lambda data: sealed_again(files_in(data), "mallory"), "not among install.trusted_keys"),
    ("climbing out", lambda data: sealed_again(files_in(data) | {"plugin/../../x.py": b""}), "climbs out"),
    ("two plugins in one", lambda data: sealed_again(_doubled(files_in(data))), "holds 2 plugins and not one"),
    ("a label that contradicts itself", lambda data: sealed_again(files_in(data), version="9.0"), "contradicts itself"),
    ("a lying label", lambda data: sealed_again(files_in(data), manifest=TOLD | {"priority": 1}), LYING),
    (
        "a label that asks for less",
        lambda data: sealed_again(_asking(files_in(data))),
        LYING,
    ),
    (
        "code that runs elsewhere",
        lambda data: sealed_again(files_in(data), runtime="isolated"),
        "does not run where its label says",
    ),
    ("a name that climbs out", lambda data: sealed_again(files_in(data), name="../../evil"), "is called 'guest'"),
    ("a dialect that there is not", lambda data: sealed_again(files_in(data), dialect="other"), "holds 0 plugins"),
    ("no such id", lambda data: sealed_again(files_in(data), id="../x", manifest=TOLD | {"id": "../x"}), "id: String"),
]


def _doubled(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"plugin/other/plugin.py": b"", "plugin/other/jackfield.toml": b'id = "other"'}


def _asking(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"plugin/guest/jackfield.toml": b'id = "guest"\nversion = "1.0"\npermissions = ["storage:write"]\n'}


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in SPOILED], ids=[case[0] for case in SPOILED])
async def test_what_is_not_in_order_writes_nothing(shop: Shop, spoil: Spoil, told: str) -> None:
    await shop.install(shop.put("0.9"))
    file = shop.put("1.0")
    file.write_bytes(spoil(file.read_bytes()))
    await shop.refuse(shop.install(file), ManifestError, told)
    assert shop.version == "0.9"


async def test_unsigned_archives_are_taken_where_the_operator_says_so(shop: Shop) -> None:
    unsigned = shop.put(signed_by=None)
    await shop.refuse(shop.install(unsigned), ManifestError, "nobody has signed it")
    await shop.open(require_signature=False)
    await shop.install(unsigned)
    assert shop.version == "1.0"


async def test_a_downgrade_is_refused_unless_it_is_asked_for(shop: Shop) -> None:
    await shop.install(shop.put("1.10"))
    older = shop.put("1.9")
    told = "version 1.10 is installed, and 1.9 is not newer: say allow_downgrade"
    await shop.refuse(shop.install(older), Conflict, told)
    await shop.refuse(shop.inspect(older, runtime="inprocess"), Conflict, told)
    await shop.install(older, allow_downgrade=True)
    assert shop.version == "1.9"


async def test_a_version_with_other_contents_is_not_the_same_version(shop: Shop) -> None:
    await shop.install(shop.put("1.0"))
    other = shop.put("1.0", README_md="other")
    await shop.refuse(shop.install(other), Conflict, r"version 1\.0 is installed, and 1\.0 is not newer")


async def test_another_signer_than_before_is_refused_unless_that_is_said(shop: Shop) -> None:
    await shop.install(shop.put("1.0", signed_by="alice"))
    theirs = shop.put("1.1", signed_by="bob")
    await shop.refuse(shop.install(theirs), Conflict, "the key .*, and this one by the key .* new_signer")
    await shop.install(theirs, new_signer=True)
    assert shop.version == "1.1"


async def test_a_plugin_that_is_not_installed_keeps_its_id(shop: Shop) -> None:
    write_guest(shop.world.folder)
    await shop.world.running.reload(actor="me")
    await shop.refuse(shop.install(shop.put("2.0")), Conflict, "id 'guest' is taken by")


async def test_what_does_not_start_is_not_installed(shop: Shop) -> None:
    await shop.install(shop.put("1.0"))
    broken = shop.put("1.1", plugin_py="1 / 0")
    await shop.refuse(shop.install(broken), Conflict, "ZeroDivisionError")
    assert shop.version == "1.0"


async def test_a_full_disk_changes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_to_write(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = shop.put("1.0")
    monkeypatch.setattr(Path, "write_bytes", refuse_to_write)
    await shop.refuse(shop.install(file), Unavailable, "No space left on device")


async def test_what_asks_for_more_than_was_approved_waits(shop: Shop) -> None:
    await shop.install(shop.put("1.0", permissions=STORAGE))
    plugin = shop.world.running.snapshot.plugins["guest"]
    assert (plugin.state, plugin.reason) == (
        "disabled", "waits for approval of storage:read (Read what it has stored itself)",
    )  # fmt: skip
    await shop.world.running.approve("guest", STORAGE, actor="me")
    assert states(shop.world.running.snapshot.plugins) == {"guest": "active"}


async def test_an_upgrade_that_asks_for_more_is_refused_until_that_is_approved(shop: Shop) -> None:
    await shop.install(shop.put("1.0", permissions=STORAGE), approve=STORAGE)
    more = shop.put("1.1", permissions=(*STORAGE, "http:outbound"))
    await shop.refuse(shop.install(more), Conflict, "asks for more than was approved: http:outbound")
    offer = await shop.inspect(more)
    assert (offer.upgrades, offer.approved, offer.asked_before) == ("1.0", STORAGE, STORAGE)
    await shop.install(more, approve=("http:outbound",))
    assert shop.world.granted["guest"] == {*STORAGE, "http:outbound"}


async def test_nothing_is_approved_that_was_not_asked_for(shop: Shop) -> None:
    with pytest.raises(Unprocessable, match="guest does not ask for 'http:outbound'"):
        await shop.install(shop.put("1.0"), approve=("http:outbound",))
    await shop.install(shop.put("1.0", permissions=STORAGE), approve=STORAGE)
    await shop.install(shop.put("1.1"))
    await shop.refuse(shop.install(shop.put("1.2", permissions=STORAGE)), Conflict, "asks for more than was approved")


async def test_its_code_runs_isolated_unless_the_operator_says_otherwise(shop: Shop) -> None:
    file = shop.put("1.0")
    assert (await shop.inspect(file)).runtime == "isolated"
    await shop.refuse(shop.install(file, runtime=None), ConfigError, "nothing here runs plugins in a process")
    await shop.refuse(shop.install(file, runtime="node"), Unprocessable, "only 'inprocess' or 'isolated'")
    await shop.install(file)
    assert (await shop.inspect(shop.put("1.1"))).runtime == "inprocess"
    await shop.install(shop.put("1.1"), runtime=None)
    assert shop.world.running.snapshot.plugins["guest"].runtime == "inprocess"


async def test_what_it_needs_is_brought_before_anybody_has_to_wait_for_it(shop: Shop) -> None:
    file, asking = shop.put("1.0"), shop.put("1.1", permissions=STORAGE)
    async with asyncio.timeout(10):
        await shop.refuse(shop.install(file, runtime="isolated"), ConfigError, "nothing here runs plugins in a process")
    assert shop.prepared == ["guest/jackfield.toml", "guest/plugin.py", str(file)]
    shop.prepared.clear()
    await shop.install(file)
    await shop.refuse(shop.install(shop.put("0.9"), runtime="isolated"), Conflict, "not newer")
    await shop.refuse(shop.install(asking, runtime="isolated"), Conflict, "asks for more than was approved")
    assert shop.prepared == []


async def test_what_would_run_without_any_bounds_must_be_named(shop: Shop) -> None:
    native = shop.put("1.0", manifest='runtime = "grpc"\n[grpc]\ncommand = "bin/guest"')
    await shop.refuse(shop.install(native, runtime=None), Unprocessable, 'say "grpc" if you trust it')


async def test_an_upgrade_does_not_break_out_of_where_its_plugin_ran(shop: Shop) -> None:
    """It was trusted with less than all that the gateway's user may do."""
    await shop.install(shop.put("1.0"))
    native = shop.put("1.1", manifest='runtime = "grpc"\n[grpc]\ncommand = "bin/guest"')
    for work in (shop.install(native, runtime=None), shop.inspect(native)):
        await shop.refuse(work, Unprocessable, 'say "grpc" if you trust it')


@pytest.mark.parametrize("given", sorted(UNCONFINED))
def test_what_was_named_once_need_not_be_named_again(given: str, tmp_path: Path) -> None:
    found = Found(name="guest", source="archive", dialect="any", place="it", load=lambda: None, runtime=given)
    seen = Sighting(found=found)
    named = choose_runtime(Entry(), seen, Wish(runtime=given))
    assert choose_runtime(Entry(installed=True, runtime=named), seen, Wish()) == given
    for entry in (Entry(), Entry(installed=True), Entry(installed=True, runtime="isolated"), Entry(runtime=given)):
        with pytest.raises(Unprocessable, match=f'say "{given}"'):
            choose_runtime(entry, seen, Wish())
    confined = Sighting(found=structs.replace(found, runtime="inprocess"))
    assert choose_runtime(Entry(installed=True, runtime=named), confined, Wish()) == "isolated"


async def test_a_folder_is_inspected_without_being_copied(shop: Shop, tmp_path: Path) -> None:
    place = write_guest(tmp_path / "elsewhere", permissions=STORAGE)
    before = digest_of(shop.world.data)
    offer = await shop.inspect(place)
    assert (offer.seen.stated_id, offer.runtime, offer.parcel) == ("guest", "isolated", None)
    assert digest_of(shop.world.data) == before
    await shop.refuse(shop.install(place, sha256="0" * 64), Unprocessable, offer.sha256)
    await shop.install(place, sha256=offer.sha256, approve=STORAGE)
    assert states(shop.world.running.snapshot.plugins) == {"guest": "active"}


async def test_a_file_is_pinned_by_its_digest_and_bounded(shop: Shop) -> None:
    file = shop.put("1.0")
    await shop.refuse(shop.install(file, sha256="0" * 64), Unprocessable, "has the SHA-256")
    large = shop.put("1.1", README_md="x" * 2_000_000)
    await shop.refuse(shop.install(large), JackfieldError, "larger than install.max_mb allows")


async def test_the_newest_of_a_catalogue_is_installed_by_name(shop: Shop) -> None:
    old, new, fresh = shop.put("1.0"), shop.put("1.1", signed_by="shop"), shop.put("1.2")
    shop.publish(listed(old), listed(new), listed(fresh, NOW - DAY))
    offer = await shop.inspect(name="guest")
    assert offer.parcel is not None
    assert (offer.parcel.label.version, offer.catalogue) == ("1.1", "main")
    await shop.install(name="guest")
    assert shop.version == "1.1"
    assert (shop.world.data / "catalogues" / "main.json").exists()
    await shop.refuse(shop.install(name="guest", version="1.2"), Conflict, "less than 3 days ago")
    await shop.install(name="guest", version="1.2", no_cooldown=True, new_signer=True)
    assert shop.version == "1.2"
    await shop.refuse(shop.install(name="guest", no_cooldown=True), Unprocessable, "goes with a version")
    await shop.refuse(shop.install(name="other"), NotFound, "'main' has no 'other'")


async def test_a_revoked_version_is_installed_from_nowhere(shop: Shop) -> None:
    file = shop.put("1.0")
    shop.publish(listed(file), revoked=(revoke(),))
    await shop.refuse(shop.install(name="guest"), Conflict, r"1\.0 was revoked: it leaks keys")
    await shop.refuse(shop.install(file), Conflict, "was revoked by the catalogue 'main': it leaks keys")


async def test_what_the_catalogue_leads_to_is_what_it_lists(shop: Shop) -> None:
    file = shop.put("1.0")
    shop.publish(listed(file))
    shop.put("1.0", README_md="other")
    await shop.refuse(shop.install(name="guest"), JackfieldError, "is refused|larger than")
    shop.publish(listed(file, version="1.1"), sequence=2)
    await shop.refuse(shop.install(name="guest"), ManifestError, "is not what the catalogue lists")


async def test_an_older_index_brings_no_version_back(shop: Shop) -> None:
    file = shop.put("1.0")
    shop.publish(listed(file), sequence=2, revoked=(revoke(),))
    await shop.refuse(shop.install(name="guest"), Conflict, "was revoked")
    shop.publish(listed(file), sequence=1)
    await shop.refuse(shop.install(name="guest"), Conflict, "its number 1 is lower than 2")


async def test_what_is_revoked_later_runs_on_and_is_not_started_anew(shop: Shop) -> None:
    file = shop.put("1.0")
    shop.publish(listed(file))
    await shop.install(name="guest")
    shop.publish(listed(file), sequence=2, revoked=(revoke(),))
    await shop.shelf.refresh()
    await shop.world.running.reload(actor="me")
    assert states(shop.world.running.snapshot.plugins) == {"guest": "active"}
    told = "version 1.0 was revoked by the catalogue 'main': it leaks keys"
    await shop.world.stop()
    await shop.world.start()
    assert told in reason(shop.world.running.snapshot.plugins, "guest")
    await shop.open()
    await shop.install(shop.put("1.1"))
    assert states(shop.world.running.snapshot.plugins) == {"guest": "active"}


async def test_what_is_on_disk_is_taken_before_what_a_catalogue_has(shop: Shop) -> None:
    shop.publish(listed(shop.put("3.0")))
    write_guest(shop.world.folder, version="2.0")
    offer = await shop.inspect(name="guest")
    assert (offer.seen.found.source, offer.catalogue) == ("folder", None)
    await shop.refuse(shop.install(name="guest"), Unprocessable, "runtime: goes with source")
    await shop.install(name="guest", runtime=None)
    assert shop.version == "2.0"


async def test_without_a_manifest_only_the_code_can_tell(shop: Shop, tmp_path: Path) -> None:
    place = World(tmp_path / "elsewhere").write("guest", VERSION.format(name="guest", version="3"))
    assert (await shop.inspect(place)).seen.manifest is None
    await shop.install(place)
    assert shop.version == "3"
