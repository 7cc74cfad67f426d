"""`jackfield plugin install|search` beside a gateway that trusts a signer and knows a catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.cli import plugin_install
from parcels import index_of, key_of, listed, put_guest, put_index, revoke, sha256_of, wheel

from .conftest import Run, StartGateway
from .operator import QUIET, Operator

LONG_AGO = datetime.now(UTC) - timedelta(days=30)
INPROCESS = ("--runtime", "inprocess")
FOREVER = 365 * 50


class Shopper(Operator):
    shop: Path

    def pack(self, version: str = "1.0", **more: Any) -> str:
        return str(put_guest(self.shop, f"guest-{version}.jackfield", version=version, **more))

    def publish(self, *files: str, **more: Any) -> None:
        plugins = [listed(Path(file), LONG_AGO, description="Greets everybody") for file in files]
        put_index(self.shop / "index.json", index_of(*plugins, days=FOREVER, **more))


@pytest.fixture
async def shopper(
    run: Run, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Shopper]:
    shop = tmp_path / "shop"
    catalogue = {"name": "main", "path": str(shop / "index.json"), "key": key_of("shop").public.text}
    install = {"trusted_keys": {"alice": key_of("alice").public.text}, "catalogues": [catalogue]}
    with capture_logs():
        gateway = await start_gateway(plugins={"quiet": QUIET}, install=install, isolation={"offline": True})
        monkeypatch.setenv("JACKFIELD_URL", gateway.url)
        monkeypatch.setenv("JACKFIELD_ADMIN_KEY", gateway.admin_key)
        made = Shopper(run, gateway)
        made.shop = shop
        yield made


def words(text: str) -> set[str]:
    """Its lines, with single spaces."""
    return {" ".join(line.split()) for line in text.splitlines()}


async def test_a_file_is_shown_and_installed(shopper: Shopper) -> None:
    file = shopper.pack(permissions=("storage:read",))
    out = await shopper.said("install", file, *INPROCESS, "--approve", "all")
    assert {
        "id guest", "version 1.0", "runtime inprocess", "signed by alice",
        "storage:read not approved Read what it has stored itself", "installed guest (generation 2)",
    } <= words(out)  # fmt: skip
    assert (await shopper.told("info", "guest"))["state"] == "active"
    shown = words(await shopper.said("info", "guest"))
    assert f"signed with {key_of('alice').public.fingerprint}" in shown


async def test_what_was_not_approved_waits_and_the_way_on_is_told(shopper: Shopper) -> None:
    file = shopper.pack(permissions=("storage:read",))
    outcome = await shopper.plugin("install", file, *INPROCESS)
    assert (outcome.code, outcome.err) == (
        0, "note: guest waits: jackfield plugin permissions guest --approve storage:read\n"
    )  # fmt: skip
    assert (await shopper.told("info", "guest"))["state"] == "disabled"
    await shopper.said("permissions", "guest", "--approve", "storage:read")
    assert (await shopper.told("info", "guest"))["state"] == "active"
    upgrade = await shopper.plugin("install", shopper.pack("1.1", permissions=("http:outbound",)), *INPROCESS)
    assert upgrade.code == 1
    assert {
        "takes the place of 1.0", "no longer asks for storage:read",
        "http:outbound new Send HTTP requests to the hosts that it lists",
    } <= words(upgrade.out)  # fmt: skip
    assert "asks for more than was approved" in upgrade.err


class Terminal:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize(("answer", "state"), [(True, "active"), (False, None)])
async def test_on_a_terminal_it_asks_before_approving(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch, answer: bool, state: str | None
) -> None:
    asked: list[str] = []

    def confirm(text: str) -> bool:
        asked.append(text)
        return answer

    class Streams:
        stdin, stdout = Terminal(None), Terminal(None)

    monkeypatch.setattr(plugin_install, "sys", Streams)
    monkeypatch.setattr(plugin_install.typer, "confirm", confirm)
    outcome = await shopper.plugin("install", shopper.pack(permissions=("storage:read",)), *INPROCESS)
    assert asked == ["Approve storage:read, and install guest?"]
    assert outcome.code == (0 if answer else 1)
    listed_now = {one["id"]: one["state"] for one in await shopper.told("list")}
    assert listed_now.get("guest") == state


async def test_plugins_are_found_in_a_catalogue_and_installed_by_name(shopper: Shopper) -> None:
    shopper.publish(shopper.pack("1.0"), shopper.pack("1.1"))
    heading, row = (await shopper.said("search", "greets")).splitlines()
    assert heading.split()[:4] == ["ID", "VERSION", "PUBLISHED", "INSTALLED"]
    assert row.split()[:2] == ["guest", "1.1"]
    assert "installed guest (generation 2)" in words(await shopper.said("install", "guest@1.0", *INPROCESS))
    assert (await shopper.told("info", "guest"))["version"] == "1.0"
    assert "catalogue main" in words(await shopper.said("install", "guest"))
    assert (await shopper.told("search", "greets"))["data"][0]["installed"] == "1.1"
    assert "1.0 is not newer" in await shopper.refused("install", "guest@1.0")
    assert "installed guest (generation 4)" in await shopper.said("install", "guest@1.0", "--allow-downgrade")


async def test_what_was_revoked_is_shown_where_plugins_are_listed(shopper: Shopper) -> None:
    file = shopper.pack()
    await shopper.said("install", file, *INPROCESS)
    shopper.publish(file, revoked=(revoke(),))
    assert "REVOKED: it leaks keys" in await shopper.said("search")
    (row,) = [line for line in (await shopper.said("list")).splitlines() if line.startswith("guest")]
    assert row.endswith("version 1.0 was revoked by the catalogue 'main': it leaks keys")
    outcome = await shopper.plugin("search", "nothing")
    assert outcome.err == ""


async def test_a_catalogue_that_cannot_be_read_is_told_of(shopper: Shopper) -> None:
    outcome = await shopper.plugin("search")
    assert "note: the catalogue main was not read: cannot read" in outcome.err


async def test_the_doctor_tells_what_was_revoked(shopper: Shopper, run: Run, folder: Path) -> None:
    import asyncio

    file = shopper.pack()
    await shopper.said("install", file, *INPROCESS)
    shopper.publish(file, revoked=(revoke(),))
    outcome = await asyncio.to_thread(
        run, "doctor", "--config", str(shopper.gateway.folder / "jackfield.toml"), "--json"
    )
    assert "version 1.0 was revoked by the catalogue 'main': it leaks keys" in outcome.out
    assert '"catalogue main"' in outcome.out


async def test_what_a_stranger_wrote_does_not_steer_the_terminal(shopper: Shopper) -> None:
    """It could paint over what the plugin asks for."""
    manifest = 'name = "\\u001b[2J"\ndescription = "\\u202e words"'
    shopper.publish(file := shopper.pack(manifest=manifest), revoked=(revoke(reason="\x1b[1A"),))
    assert "\\x1b[1A" in await shopper.said("search")
    assert "\\x1b[1A" in await shopper.refused("install", file)
    shopper.publish(sequence=2)
    out = await shopper.said("install", shopper.pack("1.1", manifest=manifest), *INPROCESS)
    assert {"name \\x1b[2J", "description \\u202e words"} <= words(out)
    for shown in (out, await shopper.said("list"), await shopper.said("info", "guest")):
        assert not {"\x1b", "\u202e"} & set(shown)


NATIVE = {
    "guest/jackfield.toml": 'id = "guest"\nversion = "1.0"',
    "guest/plugin.py": "import cachetools\nfrom jackfield.sdk import Plugin\nclass Guest(Plugin): ...",
}
TOOLBOX = {
    "folder/manifest.json": '{"id": "guest", "name": "Guest", "version": "1.0.0", "description": ""}',
    "folder/index.py": "import cachetools\nclass Guest:\n    def on_load(self, api): ...\n"
    "def create_plugin(manifest): return Guest()",
}
RING = {
    "manifest.yaml": "plugins: [{name: guest, hook: pre_flight, entrypoint: 'marketplace.it:Guest'}]",
    "marketplace/it.py": "import cachetools\nfrom core.plugin_sdk import BasePlugin, PluginHook\n"
    "class Guest(BasePlugin):\n    name, hook = 'guest', PluginHook.PRE_FLIGHT\n    async def execute(self, ctx): ...",
}


def lay_out(plugins: Path, files: dict[str, str], brings: bytes | None) -> Path:
    """The plugin's files with a lock, and the wheel that it names."""
    for name, text in files.items():
        plugins.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        plugins.joinpath(name).write_text(text)
    own = next((place for place in plugins.iterdir() if place.is_dir() and "marketplace" not in place.name), plugins)
    own.joinpath("wheels").mkdir()
    own.joinpath("requirements.lock").write_text(f"cachetools==9.0 --hash=sha256:{sha256_of(CACHETOOLS)}")
    if brings is not None:
        own.joinpath("wheels", "cachetools-9.0-py3-none-any.whl").write_bytes(brings)
    return plugins


CACHETOOLS = wheel("cachetools", "9.0")


@pytest.mark.parametrize("files", [NATIVE, TOOLBOX, RING], ids=["native", "toolbox", "ring"])
async def test_what_was_locked_runs_apart_with_its_own_packages(
    shopper: Shopper, tmp_path: Path, files: dict[str, str]
) -> None:
    key_of("alice").write(tmp_path / "alice")
    lay_out(tmp_path / "plugins", files, CACHETOOLS)
    file = str(tmp_path / "it.jackfield")
    await shopper.said("pack", str(tmp_path / "plugins"), "--key", str(tmp_path / "alice"), "-o", file)
    assert {"runtime isolated", "brings cachetools 9.0"} <= words(await shopper.said("install", file))
    told = await shopper.told("info", "guest")
    assert (told["state"], told["runtime"]) == ("active", "isolated")
    await shopper.said("uninstall", "guest")


async def test_what_has_no_wheel_is_refused_by_its_archive(shopper: Shopper, tmp_path: Path) -> None:
    key_of("alice").write(tmp_path / "alice")
    lay_out(tmp_path / "plugins", NATIVE, None)
    file = str(tmp_path / "it.jackfield")
    await shopper.said("pack", str(tmp_path / "plugins"), "--key", str(tmp_path / "alice"), "-o", file)
    outcome = await shopper.plugin("install", file)
    assert f"{file}/requirements.lock:1: cachetools==9.0: no wheel of it is in wheels/" in outcome.err
    assert not list(shopper.gateway.folder.rglob("environments/*"))
