"""Plugins that take long to begin: the first world does not wait for their processes, and they join it once they are
there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping
from typing import Any

import structlog

from jackfield.dialects.base import Blueprint
from jackfield.errors import Conflict, JackfieldError
from jackfield.host.drafts import version_of
from jackfield.host.plugin import LoadedPlugin

STARTING = "it is starting, and has not answered yet: it joins as soon as it does"
# Between two attempts to take in one that is there, where another worker was first, or the store does not let it.
TURN_S, PAUSE_S = 0.2, 5.0

log = structlog.get_logger("jackfield.host")


class Late(Exception):
    """It is not there within the time that is given; its reading goes on."""


class Readings:
    """Plugins that are being read for a start that did not wait. Whoever reads one next takes over what was begun."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, asyncio.Task[Blueprint]] = {}

    async def read(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Blueprint]]) -> Blueprint:
        """Goes on although whoever waits for it is cancelled."""
        task = self._kept.pop(key, None) or asyncio.create_task(read(), name="read-plugin")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                self._kept[key] = task
                task.add_done_callback(_note)
            raise

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    async def ended(self, key: Hashable) -> None:
        """Waits for one that goes on, however it ends."""
        if (task := self._kept.get(key)) is not None:
            await asyncio.wait([task])

    def forget(self, key: Hashable) -> None:
        if (task := self._kept.pop(key, None)) is not None:
            task.cancel()

    async def aclose(self) -> None:
        tasks = list(self._kept.values())
        self._kept.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _note(task: asyncio.Task[Blueprint]) -> None:
    """What went wrong is told by whoever reads it next, if anybody does."""
    if not task.cancelled():
        task.exception()


async def start_in_order(
    order: Iterable[str],
    needs: Mapping[str, frozenset[str]],
    begin: Callable[[str], Coroutine[Any, Any, None]],
    is_apart: Callable[[str], bool],
    patience_s: float | None,
) -> list[str]:
    """One after the other; but those apart, in processes of their own, side by side, since each takes its time to
    begin. Once none of these has come up for `patience_s` the others are given up: their names."""
    starting: dict[str, asyncio.Task[None]] = {}
    try:
        for name in order:
            await _finish([starting[need] for need in needs[name] & starting.keys()], starting, patience_s)
            if is_apart(name):
                starting[name] = asyncio.create_task(begin(name), name=f"start-{name}")
            else:
                await begin(name)
        await _finish(list(starting.values()), starting, patience_s)
        return await _give_up(starting)
    except BaseException:
        await _give_up(starting)
        raise


async def _finish(
    wanted: list[asyncio.Task[None]], starting: Mapping[str, asyncio.Task[None]], patience_s: float | None
) -> None:
    while not all(task.done() for task in wanted):
        pending = [task for task in starting.values() if not task.done()]
        done, _ = await asyncio.wait(pending, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            break
    for task in wanted:
        if task.done():
            task.result()


async def _give_up(starting: Mapping[str, asyncio.Task[None]]) -> list[str]:
    given_up = {name: task for name, task in starting.items() if not task.done()}
    for task in given_up.values():
        task.cancel()
    await asyncio.gather(*starting.values(), return_exceptions=True)
    # One may have come up just then.
    return [name for name, task in given_up.items() if task.cancelled()]


def in_turns(late: Iterable[LoadedPlugin], readings: Readings) -> list[list[LoadedPlugin]]:
    """Each that is still read comes by itself. The others have taken too long to load: they do so once more, and all
    together, since nothing else is changed meanwhile."""
    late = list(late)
    read = [plugin for plugin in late if version_of(plugin) not in readings]
    return [*([plugin] for plugin in late if plugin not in read), *([read] if read else [])]


async def take_in(
    plugins: list[LoadedPlugin], readings: Readings, settle: Callable[[tuple[str, ...]], Awaitable[None]]
) -> None:
    """Once they have been read, or there is nothing to wait for, however that turned out."""
    keys = [version_of(plugin) for plugin in plugins]
    for key in keys:
        await readings.ended(key)
    try:
        await _settle(tuple(plugin.id for plugin in plugins), settle)
    finally:
        for key in keys:
            readings.forget(key)


async def _settle(plugin_ids: tuple[str, ...], settle: Callable[[tuple[str, ...]], Awaitable[None]]) -> None:
    """Another worker may be first, and the store may fail."""
    while True:
        try:
            await settle(plugin_ids)
            return
        except Conflict:
            await asyncio.sleep(TURN_S)
        except JackfieldError as error:
            log.warning("plugins_not_taken_in", plugins=plugin_ids, reason=str(error))
            await asyncio.sleep(PAUSE_S)
