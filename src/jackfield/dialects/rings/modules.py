"""The modules of ring plugins in the interpreter.

A file is executed once for each version of it and of what it imports: two plugins that import the same one share its
state, and so does a plugin with its unchanged successor. It is let go with the last plugin that uses it.
"""

from __future__ import annotations

import asyncio
import builtins
import itertools
import re
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from threading import Event, Lock, get_ident
from types import ModuleType

from jackfield.dialects.rings.files import Code, Tree, Version
from jackfield.dialects.rings.imports import RingImport, make_core
from jackfield.sources.base import Modules

_pools = itertools.count(1)
_NOT_A_NAME = re.compile(r"\W")
DIGITS = 12
# For another thread that executes the same file: less than a plugin has to load, so that it can say what kept it.
WAIT_S = 8.0
# The same for an import inside of a function, where requests wait meanwhile.
WAIT_ON_LOOP_S = 0.5


class _Source:
    """What tracebacks read the lines from; the file itself may have changed by then."""

    def __init__(self, code: Code) -> None:
        self._data = code.data

    def get_source(self, name: str) -> str:
        return self._data.decode("utf-8", "replace")


class _Run:
    """One execution of a file, and its module: half made until `done`. It is given up where nobody holds the file any
    more; a thread cannot be ended, so what it leaves is taken away when it ends by itself."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.thread = module, get_ident()
        self.done = Event()
        self.given_up = False

    def may_be_seen_by(self, thread: int) -> bool:
        """Modules that import each other see what is there by then."""
        return self.done.is_set() or self.thread == thread


class RingModules:
    """`names` are the modules that plugins import as `core.…`.

    The lock is never held while a file is executed: its code may take its time, or never return.
    """

    def __init__(self, names: Mapping[str, ModuleType]) -> None:
        self._core = make_core(names)
        self._prefix = f"jackfield_ring_{next(_pools)}"
        self._runs: dict[Version, _Run] = {}
        self._held: dict[object, frozenset[Version]] = {}
        # By thread: the run that it waits for.
        self._waits: dict[int, _Run] = {}
        self._lock = Lock()

    def hold(self, holder: object, tree: Tree, path: str) -> ModuleType:
        """Executes the file and what it imports, as far as they have not been. Raises what they raise."""
        versions = frozenset(tree.versions[reached] for reached in tree.reach(path))
        with self._lock:
            if self._held.get(holder, versions) != versions:
                self._let_go(holder)
            self._held[holder] = versions
        try:
            return self.load(tree, path)
        except BaseException:
            with self._lock:
                # It may have been released and held again while this thread was late.
                if self._held.get(holder) is versions:
                    self._let_go(holder)
            raise

    def release(self, holder: object) -> None:
        """Waits for nothing: what is just being executed goes when it ends."""
        with self._lock:
            self._let_go(holder)

    def names_of(self, holder: object) -> Modules:
        with self._lock:
            versions = self._held.get(holder, frozenset())
            elsewhere = {version for other, held in self._held.items() if other is not holder for version in held}
            names = {version: self._runs[version].module.__name__ for version in versions if version in self._runs}
        own = frozenset(name for version, name in names.items() if version not in elsewhere)
        return Modules(own, frozenset(names.values()) - own)

    def load(self, tree: Tree, path: str) -> ModuleType:
        """The module of a file; one that this thread is just executing as it is by then."""
        version = tree.versions[path]
        run = self._runs.get(version)
        if run is None or not run.may_be_seen_by(get_ident()):
            for parent in tree.files[path].parents:
                if parent in tree.files:
                    self.load(tree, parent)
            run = self._bring(tree, version)
        return run.module

    def _bring(self, tree: Tree, version: Version) -> _Run:
        """The run of a file: begun here, or elsewhere and then waited for."""
        while True:
            with self._lock:
                run = self._runs.get(version)
                if run is None:
                    run = self._begin(tree, version)
                    break
                if run.may_be_seen_by(get_ident()) or self._waits_for_us(run):
                    return run
                if run.given_up:
                    raise ImportError(f"{version.path} was imported before and has not returned yet", name=version.path)
                self._waits[get_ident()] = run
            self._wait(run, version)
        self._execute(tree, version, run)
        return run

    def _begin(self, tree: Tree, version: Version) -> _Run:
        if not self._is_held(version):
            raise ImportError(f"{version.path} has been unloaded", name=version.path)
        run = self._runs[version] = _Run(self._make(tree, tree.files[version.path], version))
        sys.modules[run.module.__name__] = run.module
        return run

    def _waits_for_us(self, run: _Run) -> bool:
        """Whether it could end only after this thread, as where two threads import two modules that import each
        other."""
        seen: set[int] = set()
        while run.thread not in seen and not run.done.is_set():
            seen.add(run.thread)
            if run.thread == get_ident():
                return True
            if run.thread not in self._waits:
                return False
            run = self._waits[run.thread]
        return False

    def _wait(self, run: _Run, version: Version) -> None:
        """Raises `ImportError` where it does not end in time."""
        seconds = WAIT_ON_LOOP_S if _is_on_a_loop() else WAIT_S
        try:
            ended = run.done.wait(seconds)
        finally:
            with self._lock:
                self._waits.pop(get_ident(), None)
        if not ended:
            told = f"{version.path} is being imported for another plugin and has not returned within {seconds:g} s"
            raise ImportError(told, name=version.path)

    def _execute(self, tree: Tree, version: Version, run: _Run) -> None:
        code = tree.files[version.path]
        try:
            exec(compile(code.data, str(code.shown), "exec", dont_inherit=True), run.module.__dict__)  # noqa: S102
        except BaseException:
            self._end(version, run, keep=False)
            raise
        self._end(version, run, keep=True)
        if run.given_up:
            raise ImportError(f"{version.path} has been unloaded while it was imported", name=version.path)

    def _end(self, version: Version, run: _Run, *, keep: bool) -> None:
        with self._lock:
            if run.given_up or not keep:
                self._remove(version)
            run.done.set()

    def _let_go(self, holder: object) -> None:
        for version in self._held.pop(holder, frozenset()):
            run = self._runs.get(version)
            if run is None or self._is_held(version):
                continue
            if run.done.is_set():
                self._remove(version)
            else:
                run.given_up = True

    def _remove(self, version: Version) -> None:
        run = self._runs.pop(version)
        sys.modules.pop(run.module.__name__, None)

    def _is_held(self, version: Version) -> bool:
        return any(version in versions for versions in self._held.values())

    def _make(self, tree: Tree, code: Code, version: Version) -> ModuleType:
        """Its name has no dots, so that `pickle` finds it without importing what would stand before them."""
        stem = _NOT_A_NAME.sub("_", code.path.removesuffix(".py"))
        name = f"{self._prefix}_{version.digest[:DIGITS]}_{stem}"
        module = ModuleType(name)
        loader = _Source(code)
        module.__file__, module.__package__ = str(code.shown), ""
        module.__dict__["__loader__"] = loader
        module.__spec__ = ModuleSpec(name, None, origin=str(code.shown))
        ring_import = RingImport(self.load, tree.within(code.path), code.package, self._core)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": ring_import}
        return module


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
