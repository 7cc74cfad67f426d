"""Development: plugins are taken in anew when their files change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog
from watchfiles import Change, DefaultFilter, awatch

from jackfield.errors import JackfieldError
from jackfield.host.host import Host

# An editor saves several files, or one in steps: it is quiet for this long before they are looked at.
QUIET_MS = 500
LONGEST_MS = 5_000
ACTOR = "watcher"
CODE = (".py", ".toml", ".yaml", ".yml", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
MANIFESTS = ("plugin.json", "manifest.json", "package.json")

log = structlog.get_logger("jackfield.host")


class _CodeFilter(DefaultFilter):
    """Code and manifests. A plugin may write into its own folder, and would be reloaded for it for ever."""

    def __call__(self, change: Change, path: str) -> bool:
        name = path.rpartition("/")[2]
        # Of a folder that is new or gone there may be no more than its own name.
        folder = "." not in name and change is not Change.modified
        return super().__call__(change, path) and (folder or name.endswith(CODE) or name in MANIFESTS)


async def watch(host: Host, folders: Iterable[Path]) -> None:
    """Until it is cancelled. A plugin that is refused is told, and its former version serves on."""
    existing = [folder for folder in folders if folder.is_dir()]
    if not existing:
        log.warning("nothing_to_watch")
        return
    log.info("watching", folders=[str(folder) for folder in existing])
    async for _ in awatch(*existing, debounce=LONGEST_MS, step=QUIET_MS, watch_filter=_CodeFilter()):
        try:
            results = await host.reload_changed(actor=ACTOR)
        except JackfieldError as error:
            log.error("reload_refused", reason=str(error))
            continue
        for result in results:
            if isinstance(result, JackfieldError):
                log.error("reload_refused", plugin=result.plugin, reason=str(result))
