"""Where plugins may be installed from."""

from __future__ import annotations

from urllib.parse import urlsplit

from jackfield.clock import Clock
from jackfield.settings import InstallSettings, StoreSettings
from jackfield.sources.archives.fetching import Fetcher
from jackfield.sources.archives.shelf import Catalogue, Shelf


def open_shelf(install: InstallSettings, store: StoreSettings, clock: Clock) -> Shelf:
    """The operator's catalogues, and their last indexes in the data folder. The hosts that they are on are named by
    that."""
    named = (urlsplit(one.url).hostname or "" for one in install.catalogues if one.url is not None)
    fetcher = Fetcher((*install.hosts, *named), install.max_bytes)
    return Shelf(map(Catalogue.of, install.catalogues), store.data_dir / "catalogues", fetcher, clock)
