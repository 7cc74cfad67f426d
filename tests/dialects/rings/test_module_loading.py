"""Ring modules that take their time to be imported, or never return: they hold up nobody but themselves."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from jackfield.dialects.rings import modules
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.host import loader
from jackfield.sources.base import Found

from .folders import entry, write_folder

RUN = "async def run(ctx):\n    return ctx\n"
# Waits at the gate, which the test holds.
WAITS = f"from threading import gate\ngate.entered.set()\ngate.opened.wait(20)\n{RUN}"
LONG_S = 10


class Gate:
    def __init__(self) -> None:
        self.entered, self.opened = Event(), Event()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setattr(threading, "gate", made, raising=False)
    yield made
    made.opened.set()


class Loading(Thread):
    """Loads a plugin in a thread of its own; `failed` is why it could not."""

    def __init__(self, found: Found) -> None:
        super().__init__(daemon=True)
        self._found, self.failed = found, ""
        self.symbol: Any = None
        self.start()

    def run(self) -> None:
        try:
            loaded: Any = self._found.load()
            self.symbol = loaded.symbol
        except ImportError as error:
            self.failed = str(error)

    def ended(self) -> Loading:
        self.join(LONG_S)
        assert not self.is_alive()
        return self


def find(tmp_path: Path, dialect: RingDialect | None = None, **files: str) -> list[Found]:
    """Plugins by the names of their files."""
    entries = [entry(name, f"default.{name}", "run") for name in files]
    folder = write_folder(tmp_path, *entries, files={f"default/{name}.py": text for name, text in files.items()})
    return list((dialect or RingDialect()).find(folder))


def ring_modules() -> set[str]:
    return {name for name in sys.modules if name.startswith("jackfield_ring_")}


def test_while_one_does_not_return_others_load_and_all_can_be_forgotten(tmp_path: Path, gate: Gate) -> None:
    hangs, other = find(tmp_path, hangs=WAITS, other=RUN)
    loading = Loading(hangs)
    assert gate.entered.wait(LONG_S)
    done = Loading(other).ended()
    assert done.symbol is not None
    forgetting = Thread(target=hangs.forget, daemon=True)
    forgetting.start()
    forgetting.join(LONG_S)
    assert not forgetting.is_alive()
    assert loading.is_alive()


def test_what_is_given_up_leaves_nothing_once_it_ends(tmp_path: Path, gate: Gate) -> None:
    before = ring_modules()
    (hangs,) = find(tmp_path, hangs=WAITS)
    loading = Loading(hangs)
    assert gate.entered.wait(LONG_S)
    hangs.forget()
    gate.opened.set()
    assert "unloaded while it was imported" in loading.ended().failed
    assert ring_modules() - before == set()


def test_what_has_not_returned_is_not_begun_again_until_it_has(tmp_path: Path, gate: Gate) -> None:
    """Or each try would leave one more thread behind."""
    dialect = RingDialect()
    first, again, later = (find(tmp_path, dialect, hangs=WAITS)[0] for _ in range(3))
    loading = Loading(first)
    assert gate.entered.wait(LONG_S)
    first.forget()
    assert "has not returned yet" in Loading(again).ended().failed
    gate.opened.set()
    loading.ended()
    assert Loading(later).ended().symbol is not None


def test_two_that_import_the_same_file_execute_it_once(tmp_path: Path, gate: Gate) -> None:
    shares = f"from . import slow\nown = []\n{RUN}".replace("return ctx", "return slow")
    one, two, _ = find(tmp_path, one=shares, two=shares + "# other", slow=WAITS)
    first = Loading(one)
    assert gate.entered.wait(LONG_S)
    second = Loading(two)
    assert second.is_alive()
    gate.opened.set()
    slow = [asyncio.run(loading.ended().symbol(None)) for loading in (first, second)]
    assert slow[0] is slow[1]


def test_a_wait_for_another_has_an_end(tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "WAIT_S", 0.01)
    first, again = (find(tmp_path, dialect, hangs=WAITS)[0] for dialect in [RingDialect()] for _ in range(2))
    Loading(first)
    assert gate.entered.wait(LONG_S)
    assert "is being imported for another plugin" in Loading(again).ended().failed


def test_one_that_fails_is_tried_by_who_waited_for_it(tmp_path: Path, gate: Gate) -> None:
    dialect = RingDialect()
    begins = "from threading import gate\nfirst = not gate.entered.is_set()\n"
    fails = f"{begins}{WAITS}if first:\n    raise ImportError('only once')\n"
    first, again = (find(tmp_path, dialect, fails=fails)[0] for _ in range(2))
    loading = Loading(first)
    assert gate.entered.wait(LONG_S)
    waiting = Loading(again)
    gate.opened.set()
    assert loading.ended().failed == "only once"
    assert waiting.ended().symbol is not None


def test_threads_that_import_what_imports_each_other_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = SimpleNamespace(barrier=threading.Barrier(2), met=set())
    monkeypatch.setattr(threading, "meeting", meeting, raising=False)
    source = """
from threading import meeting
if len(meeting.met) < 2:
    meeting.met.add(__name__)
    meeting.barrier.wait(20)
from . import {other}
async def run(ctx):
    return {other}.__name__
"""
    one, two = find(tmp_path, one=source.format(other="two"), two=source.format(other="one"))
    loadings = [Loading(one), Loading(two)]
    names = [asyncio.run(loading.ended().symbol(None)) for loading in loadings]
    assert [name.rpartition("_")[2] for name in names] == ["two", "one"]


async def test_the_gateway_goes_on_while_one_does_not_return(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "LIFE_S", 0.05)
    dialect = RingDialect()
    hangs, other = find(tmp_path, dialect, hangs=WAITS, other=RUN)
    with pytest.raises(loader.PluginBroke, match=r"did not load within"):
        await loader.read_blueprint(hangs, {"ring": dialect})
    hangs.forget()
    monkeypatch.setattr(loader, "LIFE_S", LONG_S)
    blueprint = await loader.read_blueprint(other, {"ring": dialect})
    assert blueprint.manifest.id == "other"
