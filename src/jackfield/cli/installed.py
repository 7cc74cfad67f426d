"""`jackfield doctor` on what was installed from archives: how the catalogues are, and what they have revoked since."""

from __future__ import annotations

from collections.abc import Iterator

from jackfield.app.installing import open_shelf
from jackfield.cli.finding import Finding
from jackfield.clock import SystemClock
from jackfield.errors import JackfieldError
from jackfield.host.world import World, decode
from jackfield.settings import Settings
from jackfield.sources.archives.shelf import Shelf


async def check_installed(settings: Settings) -> list[Finding]:
    """Looks at each catalogue as it is now, and keeps nothing. Nothing to tell where there are none."""
    if not settings.install.catalogues:
        return []
    shelf = open_shelf(settings.install, settings.store, SystemClock())
    findings = [await _look(shelf, name) for name in shelf.catalogues]
    return [*findings, *_tell_revoked(shelf, await read_world(settings))]


async def _look(shelf: Shelf, name: str) -> Finding:
    check = f"catalogue {name}"
    try:
        index = await shelf.look(name)
    except (JackfieldError, OSError) as error:
        return Finding(check, "warn", str(error), "nothing is installed from it, and nothing learnt of what it revokes")
    return Finding(check, "ok", f"number {index.sequence}, until {index.expires_at:%Y-%m-%d}")


async def read_world(settings: Settings) -> World:
    """What the gateway runs; empty where the store is not there or does not open, which another check tells."""
    from jackfield.stores.database import Database, backend_for
    from jackfield.stores.generations import Generations

    try:
        backend = backend_for(settings.store.url.reveal(), settings.store.data_dir)
        if not await backend.is_made():
            return World()
        database = await Database.over(backend)
        try:
            latest = await Generations(database).latest()
        finally:
            await database.dispose()
    except (JackfieldError, OSError):
        return World()
    return decode(latest.body) if latest is not None else World()


def _tell_revoked(shelf: Shelf, world: World) -> Iterator[Finding]:
    for name, entry in world.entries.items():
        origin = entry.code.origin if entry.code is not None else None
        reason = shelf.reason_to_withdraw(origin) if origin is not None else None
        if reason is not None:
            yield Finding(f"plugin {name}", "fail", reason, "install another version, or uninstall it")
