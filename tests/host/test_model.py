"""Any mixture of changes, rollbacks and restarts, against a plain model of what should run."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jackfield.errors import Conflict, JackfieldError

from .versions import VERSION
from .world import World

NAMES = ("a", "b")
names = st.sampled_from(NAMES)


class Runs(NamedTuple):
    """One plugin. `version` is that which runs, or would if it were enabled."""

    version: int
    enabled: bool = True
    word: str | None = None


Model = dict[str, Runs]


class Changes(RuleBasedStateMachine):
    """`disk` is what the folders have, `held` what a rollback holds back: the version on disk then. `undo` is what each
    rollback restores, the next one last."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = Path(tempfile.mkdtemp())
        self.world = World(self.place / "plugins")
        self.disk: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.model: Model = {}
        self.undo: list[tuple[Model, dict[str, int]]] = []
        self.serial = 0

    @initialize()
    def begin(self) -> None:
        for name in NAMES:
            self.write(name)
        self.run(self.world.start())
        self.model = {name: Runs(self.disk[name]) for name in NAMES}

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    @rule(name=names)
    def write(self, name: str) -> None:
        self.serial += 1
        self.disk[name] = self.serial
        self.world.write(name, VERSION.format(name=name, version=self.serial))

    @rule()
    def reload(self) -> None:
        changed = self.run(self.world.running.reload(actor="me"))
        self.expect(changed.changed, self.taken_in(self.model, self.held), self.freed(self.held))

    @rule(name=names)
    def reload_one(self, name: str) -> None:
        changed = self.run(self.world.running.reload((name,), actor="me"))
        held = {other: disk for other, disk in self.held.items() if other != name}
        self.expect(changed.changed, self.model | {name: self.model[name]._replace(version=self.disk[name])}, held)

    @rule(name=names, enabled=st.booleans())
    def toggle(self, name: str, enabled: bool) -> None:
        changed = self.run(self.world.running.toggle(name, enabled, actor="me"))
        self.expect(changed.changed, self.model | {name: self.model[name]._replace(enabled=enabled)}, self.held)

    @rule(name=names, word=st.sampled_from(["x", "y"]))
    def configure(self, name: str, word: str) -> None:
        changed = self.run(self.world.running.configure(name, {"word": word}, actor="me"))
        self.expect(changed.changed, self.model | {name: self.model[name]._replace(word=word)}, self.held)

    @precondition(lambda self: any(runs.enabled for runs in self.model.values()))
    @rule()
    def refuse(self) -> None:
        """A wrong config, and a broken file that is mended afterwards."""
        name = next(name for name, runs in self.model.items() if runs.enabled)
        before = self.run(self.world.running.history())
        self.refused(self.world.running.configure(name, {"word": 7}, actor="me"))
        file = self.world.folder / name / "plugin.py"
        source = file.read_text()
        file.write_text(source + "1 / 0\n")
        self.refused(self.world.running.reload((name,), actor="me"))
        file.write_text(source)
        assert self.run(self.world.running.history()) == before

    def refused(self, work: Any) -> None:
        with pytest.raises(JackfieldError):
            self.run(work)

    @rule()
    def roll_back(self) -> None:
        if not self.undo:
            try:
                self.run(self.world.running.rollback(actor="me"))
            except Conflict:
                return
            raise AssertionError("there was nothing to go back to")
        self.run(self.world.running.rollback(actor="me"))
        now = {name: self.held.get(name, runs.version) for name, runs in self.model.items()}
        self.model, self.held = self.undo.pop()
        for name, runs in self.model.items():
            if runs.version != now[name]:
                self.held = self.held | {name: now[name]}

    @precondition(lambda self: self.model)
    @rule()
    def restart(self) -> None:
        self.run(self.world.stop())
        self.run(self.world.start())
        after = self.taken_in(self.model, self.held)
        self.expect(after != self.model, after, self.freed(self.held))

    def taken_in(self, model: Model, held: dict[str, int]) -> Model:
        """What a look at the disk makes of it: all but what is held is as it is there."""
        return {
            name: runs if held.get(name) == self.disk[name] else runs._replace(version=self.disk[name])
            for name, runs in model.items()
        }

    def freed(self, held: dict[str, int]) -> dict[str, int]:
        return {name: disk for name, disk in held.items() if disk == self.disk[name]}

    def expect(self, changed: bool, model: Model, held: dict[str, int]) -> None:
        assert changed or model == self.model
        if changed:
            self.undo.append((self.model, self.held))
        self.model, self.held = model, held

    @invariant()
    def it_is_what_should_run(self) -> None:
        if not self.model:
            return
        self.run(self.world.running.drained())
        plugins = self.world.running.snapshot.plugins
        for name, runs in self.model.items():
            assert plugins[name].running == runs.enabled, (name, plugins[name].reason)
            if runs.enabled:
                config = plugins[name].config
                assert (plugins[name].version, config["word"]) == (str(runs.version), runs.word or "none")

    def teardown(self) -> None:
        self.run(self.world.stop())
        self.runner.close()
        shutil.rmtree(self.place)


def test_the_world_is_what_the_model_says_after_every_step_and_restart() -> None:
    run_state_machine_as_test(
        Changes,
        settings=settings(
            max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
