"""How plugins may be written, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jackfield.clock import SystemClock
from jackfield.dialects.base import Dialect
from jackfield.dialects.factory.dialect import GROUP, FactoryDialect
from jackfield.dialects.native import NativeDialect
from jackfield.dialects.provider.dialect import ProviderDialect
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.rings.world import RingWorld
from jackfield.dialects.toolbox.dialect import ToolboxDialect
from jackfield.dialects.toolbox.script import OpenSession, open_node
from jackfield.errors import ConfigError
from jackfield.runtimes.launch import LAYERS
from jackfield.settings import IsolationSettings, PluginSettings, Settings
from jackfield.sources.base import Source
from jackfield.sources.builtin import BuiltinSource
from jackfield.sources.entry_points import EntryPointSource
from jackfield.sources.folder import FolderSource


def make_dialects(
    rings: RingWorld | None = None, settings: Settings | None = None, *, development: bool = False
) -> dict[str, Dialect]:
    """All dialects by name. `rings` is what ring plugins share; without one they share it only among themselves.
    Without the `settings` of a gateway nothing of one is known. Raises `ConfigError` for an isolation that there is
    not."""
    isolation = settings.isolation if settings is not None else IsolationSettings()
    toolbox = ToolboxDialect(open_session=_open_sessions(isolation), development=development)
    provider = ProviderDialect()
    if settings is not None:
        listening = (settings.server.host, settings.server.port)
        provider = ProviderDialect(data_dir=settings.store.data_dir, listening=listening)
    factory = FactoryDialect(settings)
    return {dialect.name: dialect for dialect in (NativeDialect(), RingDialect(rings), toolbox, provider, factory)}


def factory_of(dialects: Mapping[str, Dialect]) -> FactoryDialect:
    factory = dialects["factory"]
    assert isinstance(factory, FactoryDialect), "the dialect of that name"
    return factory


def _open_sessions(isolation: IsolationSettings) -> OpenSession:
    for place, layer in enumerate(isolation.minimum):
        if layer not in LAYERS:
            known = ", ".join(LAYERS)
            raise ConfigError(f"there is no layer {layer!r}: known are {known}", field=f"isolation.minimum.{place}")
    return open_node(SystemClock(), memory_mb=isolation.memory_mb, minimum=isolation.minimum)


def find_sources(plugins: PluginSettings, dialects: Mapping[str, Dialect]) -> tuple[Source, ...]:
    """Where plugins come from; of two with one id the earlier source's wins."""
    finders = tuple(dialect.find for dialect in dialects.values())
    folders = [FolderSource(folder, finders) for folder in plugins.dirs]
    # Where the provider guide has its readers put them.
    home = Path("~/.loom/plugins").expanduser()
    if not plugins.disable_local_discovery and home.is_dir():
        folders.append(FolderSource(home, (dialects["provider"].find,)))
    installed = EntryPointSource({GROUP: factory_of(dialects).find_installed})
    return (*folders, *((installed,) if plugins.entry_points else ()), BuiltinSource())
