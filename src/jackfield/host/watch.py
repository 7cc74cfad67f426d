"""Development: plugins are taken in anew when their files change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog
from watchfiles import Change, DefaultFilter, awatch

from jackfield.errors import JackfieldError
from jackfield.host.host import Host

DEBOUNCE_MS = 500
ACTOR = "watcher"

log = structlog.get_logger("jackfield.host")


class _CodeFilter(DefaultFilter):
    """What tools write beside the code is no change of it."""

    def __call__(self, change: Change, path: str) -> bool:
        return super().__call__(change, path) and not path.endswith((".db", ".db-wal", ".db-shm", ".log"))


async def watch(host: Host, folders: Iterable[Path]) -> None:
    """Until it is cancelled. A plugin that is refused is told, and its former version serves on."""
    existing = [folder for folder in folders if folder.is_dir()]
    if not existing:
        log.warning("nothing_to_watch")
        return
    log.info("watching", folders=[str(folder) for folder in existing])
    async for _ in awatch(*existing, debounce=DEBOUNCE_MS, step=50, watch_filter=_CodeFilter()):
        try:
            results = await host.reload_changed(actor=ACTOR)
        except JackfieldError as error:
            log.error("reload_refused", reason=str(error))
            continue
        for result in results:
            if isinstance(result, JackfieldError):
                log.error("reload_refused", plugin=result.plugin, reason=str(result))
