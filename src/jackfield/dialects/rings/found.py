"""One entry of a ring manifest, as it was found: its files, and its code when it is taken into use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jackfield.dialects.rings.adapter import DEFAULT_TIMEOUT_MS, POINTS, POLICIES, RingPlugin
from jackfield.dialects.rings.document import RawEntry, write_entry
from jackfield.dialects.rings.files import Folder, Tree
from jackfield.dialects.rings.lint import refuse
from jackfield.dialects.rings.manifest import RingEntry, Source, is_timeout, read_entry, slug_of
from jackfield.dialects.rings.modules import RingModules
from jackfield.dialects.rings.pins import Unpinned, check_pin
from jackfield.dialects.rings.problems import EntryProblem, name_closest
from jackfield.dialects.rings.study import Study, study
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import Manifest
from jackfield.sources.base import Contents, Stated

FILES: dict[Source, str] = {"bundled": "manifest.yaml", "installed": "installed/manifest.yaml"}
OWN_HOOK = RingPlugin.run.__name__


class Place(NamedTuple):
    """A plugins folder: where it is read, and where it stands for people."""

    folder: Path
    shown: Path


class Loaded(NamedTuple):
    """`edits`: whether its source, or what it imports from its folder, edits or blocks answers."""

    entry: RingEntry
    symbol: object
    edits: bool


def stem_of(source: Source) -> str:
    """A manifest as the name of a plugin that has none."""
    return FILES[source].replace("/", ".")


class FoundEntry:
    """`seen` are the ids of the entries before it in its manifest, with their numbers: the first of a name has it."""

    def __init__(self, place: Place, raw: RawEntry, source: Source, seen: dict[str, int]) -> None:
        self._place, self._raw, self._source = place, raw, source
        self.file = str(place.shown / FILES[source])
        self.name = self._stated_id() or f"{stem_of(source)}[{raw.index}]"
        self._first = seen.setdefault(self.name, raw.index)

    @property
    def place(self) -> str:
        number = "" if self._first == self._raw.index else f"[{self._raw.index}]"
        return f"{self.file}#{self.name}{number}"

    def _stated_id(self) -> str:
        """Its id, as far as it has one where something is wrong with it."""
        read = self._read
        return read.id if isinstance(read, RingEntry) else slug_of(self._raw.name or "")

    @cached_property
    def _value(self) -> Any:
        return self._raw.value()

    @cached_property
    def _read(self) -> RingEntry | EntryProblem:
        try:
            return read_entry(self._value, self._source)
        except EntryProblem as problem:
            return problem

    @property
    def entry(self) -> RingEntry:
        """Raises `ManifestError`."""
        read = self._read
        if isinstance(read, EntryProblem):
            raise self._refusal(read)
        if self._first != self._raw.index:
            raise self._refusal(EntryProblem(f"plugins[{self._first}] has the id {read.id!r} already", ("name",)))
        return read

    @property
    def runtime(self) -> str:
        """One that was installed runs apart, unless its entry says that it is trusted."""
        read = self._read
        trusted = self._source != "installed" or (isinstance(read, RingEntry) and read.allow_inprocess)
        return "inprocess" if trusted else "isolated"

    def manifest(self) -> Manifest:
        """Raises `ManifestError`."""
        return self.entry.manifest()

    def contents(self) -> Contents:
        """A manifest of this entry alone, its module, and the modules that it imports. Raises `ManifestError`."""
        tree, _ = self._gather(self.entry)
        found: dict[str, Path | bytes] = {FILES[self._source]: write_entry(self._value)}
        found.update((path, self._place.folder / path) for path in sorted(tree.files))
        return found

    def aliases(self) -> Iterator[str]:
        """What it can be asked for by without running it: display name, module, and the `name` that its class
        states."""
        read = self._read
        if not isinstance(read, RingEntry) or self._first != self._raw.index:
            return
        yield from (read.name, read.module, read.module.rpartition(".")[2])
        name = self._stated("name")
        if name and isinstance(name, str):
            yield name

    def hook(self) -> Stated | None:
        """`None` where something is wrong with the entry."""
        read = self._read
        if not isinstance(read, RingEntry):
            return None
        stated = self._stated("timeout_ms")
        timeout_ms = read.timeout_ms or (int(stated) if is_timeout(stated) else DEFAULT_TIMEOUT_MS)
        return Stated(OWN_HOOK, POINTS[read.hook], read.fail_policy or POLICIES[read.hook], timeout_ms)

    def _stated(self, attribute: str) -> object:
        """What its class says of itself, as far as its file can be read."""
        return None if self._study is None else self._study.stated_in(self.entry.symbol, attribute)

    @cached_property
    def _study(self) -> Study | None:
        try:
            folder = Folder(*self._place)
            return study(folder.read(folder.entry_of(self.entry.module)))
        except (ManifestError, EntryProblem):
            return None

    def load(self, modules: RingModules, unpinned: Unpinned) -> Loaded:
        """Runs its code. Raises `ManifestError`, `PluginSecurityError` and whatever the code raises."""
        entry = self.entry
        tree, path = self._gather(entry)
        code = tree.files[path]
        if entry.sha256 is not None:
            check_pin(entry.sha256, code.data)
        for one in tree.files.values():
            refuse(one.study.faults, one.path)
        if entry.sha256 is None:
            unpinned.warn(entry.name, code.data)
        names = vars(modules.hold(self, tree, path))
        if entry.symbol not in names:
            modules.release(self)
            told = f"there is no {entry.symbol} in {entry.module}{name_closest(entry.symbol, names)}"
            raise self._refusal(EntryProblem(told, ("entrypoint",)))
        return Loaded(entry, names[entry.symbol], any(one.study.edits for one in tree.files.values()))

    def _gather(self, entry: RingEntry) -> tuple[Tree, str]:
        try:
            folder = Folder(*self._place)
            path = folder.entry_of(entry.module)
            return folder.gather(path), path
        except EntryProblem as problem:
            raise self._refusal(problem) from problem

    def _refusal(self, problem: EntryProblem) -> ManifestError:
        """With its place in the manifest that people see; a copy has the entry at another one."""
        original = self._place.folder == self._place.shown
        name = f" ({self._raw.name})" if self._raw.name else ""
        return ManifestError(
            problem.message,
            file=self.file,
            line=self._raw.line_of(problem.path) if original else None,
            field=(f"plugins[{self._raw.index}]" if original else "plugins[…]") + problem.field + name,
        )
