"""An attempt to get out of the sandbox of an isolated plugin.

Each is made in the whole sandbox, where it must fail; with the layers off that hold it, where it must get through, so
that the attempt is known to be one; and with all of these off but one, each in turn: every one holds by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SECCOMP = ("seccomp",)
LANDLOCK = ("landlock",)


class Attempt(NamedTuple):
    """`code` gets through if it raises nothing. `refused` are the errors that the sandbox answers with. Each layer of
    `holds` refuses it by itself; `besides` are off as well where it is to get through, without holding it. `through`
    is what it says when they are off: `ok`, or what the kernel says to those whom it listens to. `root` is for those
    that only root could do."""

    code: str
    refused: str
    holds: tuple[str, ...]
    besides: tuple[str, ...] = ()
    through: str = "ok"
    root: bool = False

    @property
    def off(self) -> frozenset[str]:
        return frozenset((*self.holds, *self.besides))

    @property
    def settings(self) -> frozenset[frozenset[str]]:
        """What is off where it is made."""
        return frozenset({frozenset(), self.off, *(self.off - {layer} for layer in self.holds)})


Attempts = Mapping[str, Attempt]
