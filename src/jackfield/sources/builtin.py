"""The plugins that come with Jackfield: the modules of `jackfield.plugins`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import partial

from jackfield import __version__, plugins
from jackfield.sources.base import Found


class BuiltinSource:
    def find(self) -> tuple[Found, ...]:
        return tuple(
            Found(
                name=module.name,
                source="builtin",
                dialect="native",
                place=f"jackfield.plugins.{module.name}",
                load=partial(importlib.import_module, f"jackfield.plugins.{module.name}"),
                version=__version__,
            )
            for module in pkgutil.iter_modules(plugins.__path__)
        )
