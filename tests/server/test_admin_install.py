"""Installing packed plugins through the admin API, and looking at them before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jackfield.cli.packing import draft_of
from jackfield.sources.archives.packing import pack
from jackfield.testing import Called
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.waiting import until
from parcels import (
    answer,
    digest_of,
    draft,
    index_of,
    key_of,
    listed,
    put_guest,
    put_index,
    revoke,
    serve,
    wheel,
    write_guest,
)

from .admin import CHAT, refused
from .plugins import PLUGINS, QUIET, StartGateway, done

ASKED = ("storage:read",)
# The gateway's own clock is the machine's.
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


class Operator:
    def __init__(self, gateway: RunningGateway, shop: Path) -> None:
        self.gateway, self.shop = gateway, shop

    def put(self, version: str = "1.0", **more: Any) -> str:
        return str(put_guest(self.shop, f"guest-{version}.jackfield", version=version, **more))

    async def inspect(self, **body: Any) -> dict[str, Any]:
        return await done(self.gateway, "inspect", body)

    async def refused(self, told: str, status: int, code: str, param: str | None = None, **body: Any) -> None:
        """Both looking and installing, and nothing is written by either."""
        before = digest_of(self.gateway.folder / "data")
        for path in ("inspect", "install"):
            called = await self.gateway.admin(f"{PLUGINS}/{path}", "POST", body)
            assert told in refused(called, status, code, param, changed=False, **_plugin_of(called))
        assert digest_of(self.gateway.folder / "data") == before


def _plugin_of(called: Called) -> dict[str, Any]:
    told = called.json["error"]
    return {"plugin": told["plugin"]} if "plugin" in told else {}


@pytest.fixture
async def operator(start_gateway: StartGateway, tmp_path: Path) -> Operator:
    shop = tmp_path / "shop"
    catalogue = {"name": "main", "path": str(shop / "index.json"), "key": key_of("shop").public.text}
    install = {"trusted_keys": {"alice": key_of("alice").public.text}, "catalogues": [catalogue], "max_mb": 1}
    return Operator(await start_gateway(plugins={"quiet": QUIET}, install=install), shop)


async def test_what_is_offered_is_told_before_it_is_installed(operator: Operator) -> None:
    file = operator.put(permissions=ASKED, manifest='name = "The Guest"\n[http]\nhosts = ["api.example"]')
    told = await operator.inspect(source=file)
    wanted = {
        "id": "guest", "version": "1.0", "name": "The Guest", "runtime": "isolated", "place": file, "packed": True,
        "signer": "alice", "key": key_of("alice").public.fingerprint, "hosts": ["api.example"], "upgrades": None,
        "asked": [{"name": "storage:read", "sentence": "Read what it has stored itself"}], "approved": [],
        "added": [], "removed": [], "catalogue": None, "dialect": "native",
    }  # fmt: skip
    assert told | wanted == told
    body = {"source": file, "runtime": "inprocess", "sha256": told["sha256"], "approve": list(ASKED)}
    assert (await done(operator.gateway, "install", body))["plugins"] == ["guest"]
    guest = await operator.gateway.plugin("guest")
    assert (guest["state"], guest["source"], guest["runtime"]) == ("active", "archive", "inprocess")
    assert guest["origin"] | {"version": "1.0", "sha256": told["sha256"]} == guest["origin"]
    assert guest["revoked"] is None
    assert (await operator.gateway.plugin("quiet"))["origin"] is None


async def test_an_upgrade_is_told_with_its_difference(operator: Operator) -> None:
    body = {"source": operator.put(permissions=ASKED), "runtime": "inprocess", "approve": list(ASKED)}
    await done(operator.gateway, "install", body)
    told = await operator.inspect(source=operator.put("1.1", permissions=("http:outbound",)))
    assert (told["upgrades"], told["added"], told["removed"]) == ("1.0", ["http:outbound"], ["storage:read"])


RING = """
plugins:
  - name: shouty
    hook: pre_flight
    entrypoint: "marketplace.shouty:check"
"""
BOX = '{"id": "box", "name": "Box", "version": "1.2.0", "description": "d", "author": "a", "main": "index.py"}'


async def test_plugins_of_other_dialects_are_packed_and_installed(operator: Operator, tmp_path: Path) -> None:
    rings, box = tmp_path / "rings", tmp_path / "boxes" / "box"
    (rings / "marketplace").mkdir(parents=True)
    (rings / "manifest.yaml").write_text(RING)
    (rings / "marketplace" / "shouty.py").write_text("async def check(ctx): ...\n")
    box.mkdir(parents=True)
    (box / "manifest.json").write_text(BOX)
    (box / "index.py").write_text("class Box:\n    async def on_load(self, api): ...\n\nplugin = Box()\n")
    for place, name in ((rings, "shouty"), (box, "box")):
        label, data = pack(draft_of(place), key_of("alice"))
        file = tmp_path / f"{name}.jackfield"
        file.write_bytes(data)
        offer = await operator.inspect(source=str(file))
        assert (offer["id"], offer["dialect"], offer["runtime"]) == (name, label.dialect, "isolated")
        await done(operator.gateway, "install", {"source": str(file), "runtime": "inprocess"})
        assert (await operator.gateway.plugin(name))["source"] == "archive"


TALKER = """
import tiny
from jackfield.sdk import Plugin, Reject, hook

class Guest(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def check(self, exchange):
        return Reject(418, "word", tiny.WORD)
"""


async def test_what_it_needs_comes_with_it_and_it_runs_in_a_process_of_its_own(operator: Operator) -> None:
    place = write_guest(operator.shop / "source", plugin_py=TALKER, requirements_txt="tiny==1.0\n")
    (place / "wheels").mkdir()
    (place / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(wheel())
    file = operator.shop / "guest.jackfield"
    file.write_bytes(pack(draft(place), key_of("alice"))[1])
    assert (await operator.inspect(source=str(file)))["packages"] == ["tiny 1.0"]
    await done(operator.gateway, "install", {"source": str(file)})
    guest = await operator.gateway.plugin("guest")
    assert (guest["state"], guest["runtime"]) == ("active", "isolated")
    async with operator.gateway.caller() as caller:
        called = await caller.post("/v1/chat/completions", CHAT)
    assert (called.status, called.json["error"]["message"]) == (418, "tiny")


async def test_what_is_not_approved_waits(operator: Operator) -> None:
    body = {"source": operator.put(permissions=ASKED), "runtime": "inprocess"}
    await done(operator.gateway, "install", body)
    guest = await operator.gateway.plugin("guest")
    assert (guest["state"], guest["permissions"]["difference"]) == ("disabled", list(ASKED))


async def test_what_is_refused_changes_nothing(operator: Operator) -> None:
    file = operator.put()
    data = Path(file).read_bytes()
    Path(file).write_bytes(data[:700] + bytes([data[700] ^ 1]) + data[701:])
    await operator.refused("is refused", 422, "invalid_manifest", source=file)
    await operator.refused(
        "not among install.trusted_keys", 422, "invalid_manifest", source=operator.put(signed_by="bob")
    )
    await operator.refused("has the SHA-256", 422, "unprocessable", "sha256", source=operator.put(), sha256="0" * 64)
    await operator.refused("only 'inprocess'", 422, "unprocessable", "runtime", source=operator.put(), runtime="docker")
    large = operator.put(README_md="x" * 2_000_000)
    await operator.refused("install.max_mb", 413, "request_too_large", "source", source=large)


async def test_a_downgrade_is_refused_with_the_field_that_allows_it(operator: Operator) -> None:
    await done(operator.gateway, "install", {"source": operator.put("2.0"), "runtime": "inprocess"})
    older = operator.put("1.0")
    await operator.refused("1.0 is not newer", 409, "conflict", "allow_downgrade", source=older)
    await done(operator.gateway, "install", {"source": older, "allow_downgrade": True})
    assert (await operator.gateway.plugin("guest"))["version"] == "1.0"


async def test_a_folder_runs_isolated_unless_the_operator_says_otherwise(operator: Operator, tmp_path: Path) -> None:
    place = write_guest(tmp_path / "elsewhere")
    assert (await operator.inspect(source=str(place)))["runtime"] == "isolated"
    assert (await operator.inspect(source=str(place), runtime="inprocess"))["runtime"] == "inprocess"


async def test_the_catalogue_is_searched_and_installed_from(operator: Operator) -> None:
    one = listed(Path(operator.put(signed_by="shop")), LONG_AGO, description="Greets everybody")
    index = put_index(operator.shop / "index.json", index_of(one, days=365 * 50))
    told = (await operator.gateway.admin("/api/v1/catalogue?q=greets")).json
    (found,) = told["data"]
    assert (found["id"], found["version"], found["catalogue"], found["installed"]) == ("guest", "1.0", "main", None)
    assert told["catalogues"] == [
        {"name": "main", "place": str(index), "sequence": 1, "expires_at": told["catalogues"][0]["expires_at"],
         "problem": None}
    ]  # fmt: skip
    assert (await operator.gateway.admin("/api/v1/catalogue?q=nothing")).json["data"] == []
    await done(operator.gateway, "install", {"name": "guest", "runtime": "inprocess"})
    assert (await operator.gateway.plugin("guest"))["origin"]["catalogue"] == "main"
    await operator.refused("has no 'other'", 404, "not_found", name="other")


async def test_what_is_revoked_is_told_wherever_it_is_shown(operator: Operator) -> None:
    one = listed(Path(operator.put()), LONG_AGO)
    put_index(operator.shop / "index.json", index_of(one, days=365 * 50))
    await done(operator.gateway, "install", {"name": "guest", "version": "1.0", "runtime": "inprocess"})
    put_index(operator.shop / "index.json", index_of(one, sequence=2, revoked=(revoke(),), days=365 * 50))
    (found,) = (await operator.gateway.admin("/api/v1/catalogue")).json["data"]
    assert (found["installed"], found["revoked"]) == ("1.0", "it leaks keys")
    told = "version 1.0 was revoked by the catalogue 'main': it leaks keys"
    guest = await until(lambda: operator.gateway.plugin("guest"), lambda found: found["state"] == "degraded", within=10)
    assert (guest["reason"], guest["revoked"]) == (told, told)
    assert (await operator.gateway.metrics())["jackfield_plugins_revoked"] == 1
    put_index(operator.shop / "index.json", index_of(one, sequence=1, days=365 * 50))
    told = (await operator.gateway.admin("/api/v1/catalogue")).json
    assert "lower than 2" in told["catalogues"][0]["problem"]
    assert told["data"][0]["revoked"] == "it leaks keys"


async def test_a_catalogue_and_its_archives_may_be_on_a_web_server(start_gateway: StartGateway, tmp_path: Path) -> None:
    file = put_guest(tmp_path)
    index = put_index(tmp_path / "index.json", index_of(listed(file, LONG_AGO), days=365 * 50))
    pages = {"/shop/index.json": answer(index.read_bytes()), f"/shop/{file.name}": answer(file.read_bytes())}
    async with serve(lambda url: pages) as url:
        catalogue = {"name": "main", "url": f"{url}/shop/index.json", "key": key_of("shop").public.text}
        install = {"trusted_keys": {"alice": key_of("alice").public.text}, "catalogues": [catalogue]}
        gateway = await start_gateway(install=install)
        await done(gateway, "install", {"name": "guest", "runtime": "inprocess"})
        assert (await gateway.plugin("guest"))["place"] == f"{url}/shop/{file.name}"
        again = await done(gateway, "install", {"source": f"{url}/shop/{file.name}?token=secret"})
        assert "secret" not in str(again["notes"]) + str(await gateway.plugin("guest"))
        missing = await gateway.admin(f"{PLUGINS}/install", "POST", {"source": f"{url}/absent"})
        assert "answered with the status 404" in refused(missing, 422, "unprocessable", "source", changed=False)


@pytest.mark.parametrize(
    ("body", "param", "told"),
    [
        ({}, "name", "give either name or source"),
        ({"name": "guest", "source": "/x"}, "source", "give either name or source"),
        ({"name": "guest", "no_cooldown": True}, "no_cooldown", "goes with a version"),
        ({"name": "quiet", "runtime": "inprocess"}, "runtime", "goes with source"),
        ({"source": "/no/such/file.jackfield"}, "source", "no folder or file"),
        ({"name": "guest", "version": ""}, "version", "version"),
    ],
)
async def test_a_wrong_wish_names_its_field(operator: Operator, body: dict[str, Any], param: str, told: str) -> None:
    called = await operator.gateway.admin(f"{PLUGINS}/install", "POST", body)
    assert told in refused(called, 422, "unprocessable", param, changed=False)
