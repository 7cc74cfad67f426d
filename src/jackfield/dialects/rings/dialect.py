"""The ring dialect: a plugins folder with `manifest.yaml`, and modules beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from jackfield.dialects.base import Blueprint
from jackfield.dialects.rings.adapter import make_kind
from jackfield.dialects.rings.document import read_entries
from jackfield.dialects.rings.form import build_model
from jackfield.dialects.rings.found import FILES, FoundEntry, Loaded, Place, stem_of
from jackfield.dialects.rings.manifest import LONGEST_TIMEOUT_MS, RingEntry, Source, is_timeout
from jackfield.dialects.rings.modules import RingModules
from jackfield.dialects.rings.names import plugin_engine, plugin_sdk, pricing, tokenizer
from jackfield.dialects.rings.pins import Unpinned
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import ManifestError
from jackfield.sources.base import Form, Found


class RingDialect:
    """`world` is what its plugins share; without one it lasts as long as the dialect."""

    name = "ring"

    def __init__(self, world: RingWorld | None = None) -> None:
        self.world = world or RingWorld()
        self._modules = RingModules(names_for(self.world))
        self._unpinned = Unpinned()

    def find(self, folder: Path, shown: Path | None = None) -> tuple[Found, ...]:
        """Each entry of `manifest.yaml`, and of `installed/manifest.yaml`; one that is installed takes the place of a
        bundled one with its id."""
        place = Place(folder, shown or folder)
        bundled, installed = (self._find_in(place, source) for source in FILES)
        replaced = {found.name for found in installed}
        return (*(found for found in bundled if found.name not in replaced), *installed)

    def _find_in(self, place: Place, source: Source) -> list[Found]:
        file, shown = place.folder / FILES[source], place.shown / FILES[source]
        try:
            if not file.is_file():
                return []
            if not file.resolve().is_relative_to(place.folder.resolve()):
                raise ManifestError("leads out of the plugins folder", file=str(shown))
            raws = read_entries(file, shown) or []
        except OSError as error:
            return [_unreadable(place, source, ManifestError(error.strerror or str(error), file=str(shown)))]
        except ManifestError as error:
            return [_unreadable(place, source, error)]
        seen: dict[str, int] = {}
        return [self._found(place, FoundEntry(place, raw, source, seen)) for raw in raws]

    def _found(self, place: Place, one: FoundEntry) -> Found:
        return Found(
            name=one.name,
            source="folder",
            dialect=self.name,
            place=one.place,
            load=partial(one.load, self._modules, self._unpinned),
            manifest=one.manifest,
            contents=one.contents,
            form=partial(_form_of, one),
            hook=one.hook,
            forget=partial(self._modules.release, one),
            modules=partial(self._modules.names_of, one),
            folder=place.shown,
            root=place.folder,
            runtime=one.runtime,
            aliases=tuple(dict.fromkeys(one.aliases())),
        )

    def read(self, found: Found) -> Blueprint:
        loaded = found.load()
        if not isinstance(loaded, Loaded):
            raise ManifestError("is not a ring plugin", file=found.place)
        entry = loaded.entry
        model = build_model(entry.id, entry.form, entry.config)
        try:
            _check_timeout(entry, loaded.symbol)
            kind = make_kind(entry, loaded.symbol, edits=loaded.edits, model=model, world=self.world)
        except ManifestError:
            found.forget()
            raise
        return Blueprint(entry.manifest(), kind, list(entry.ui_schema), found.aliases)


def _check_timeout(entry: RingEntry, symbol: object) -> None:
    stated = getattr(symbol, "timeout_ms", None)
    if stated is not None and not is_timeout(stated):
        told = f"{entry.module}:{entry.symbol} states {stated!r:.40}: it is a number from 1 to {LONGEST_TIMEOUT_MS}"
        raise ManifestError(told, field="timeout_ms")


def _form_of(one: FoundEntry) -> Form:
    entry = one.entry
    return Form(list(entry.ui_schema), build_model(entry.id, entry.form, entry.config))


def names_for(world: RingWorld) -> dict[str, ModuleType]:
    """The modules that plugins import as `core.…`; costs are reckoned with the prices of this gateway."""
    prices = ModuleType(pricing.__name__, pricing.__doc__)
    own = pricing.Pricing(world.prices)
    prices.__dict__.update({name: getattr(own, name) for name in pricing.__all__}, __all__=pricing.__all__)
    return {
        "plugin_sdk": plugin_sdk,
        "plugin_engine": plugin_engine,
        "tokenizer": tokenizer,
        "pricing": prices,
    }


def _unreadable(place: Place, source: Source, error: ManifestError) -> Found:
    """Stands for a manifest that cannot be read at all."""

    def refuse() -> NoReturn:
        raise error

    shown = str(place.shown / FILES[source])
    return Found(
        name=stem_of(source),
        source="folder",
        dialect=RingDialect.name,
        place=shown,
        load=refuse,
        manifest=refuse,
        contents=refuse,
    )
