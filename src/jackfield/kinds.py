"""A kind of thing that is chosen by name: formats, stores, sources, dialects, runtimes."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Generic, TypeVar, cast

from jackfield.errors import ConfigError

T = TypeVar("T")


class Kind(Generic[T]):
    """Objects by name, imported when first asked for: a name leads to `module:attribute`."""

    def __init__(self, noun: str, targets: Mapping[str, str]) -> None:
        self._noun = noun
        self._targets = dict(targets)
        self._found: dict[str, T] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def named(self, name: str) -> T:
        """Raises `ConfigError`, with the nearest known name, where there is none."""
        if name not in self._found:
            self._found[name] = self._import(name)
        return self._found[name]

    def _import(self, name: str) -> T:
        target = self._targets.get(name)
        if target is None:
            raise ConfigError(self._refuse(name))
        module, _, attribute = target.partition(":")
        return cast(T, getattr(importlib.import_module(module), attribute))

    def _refuse(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.names, n=1)
        hint = f"the nearest is '{close[0]}'" if close else f"known are {', '.join(self.names)}"
        return f"there is no {self._noun} '{name}'; {hint}"
