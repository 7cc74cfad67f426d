"""Thirty plugins that all have one version, and where they leave which versions an exchange has met."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

COUNT = 30
NAMES = tuple(f"swapped_{number:02}" for number in range(COUNT))

# By exchange: how often each version has seen it. The plugins run in this process.
MET: defaultdict[str, Counter[str]] = defaultdict(Counter)
# The versions that any exchange has met.
VERSIONS: set[str] = set()

SOURCE = """
    import asyncio
    from pydantic import field_validator
    from jackfield.sdk import *
    from load.versions import MET, VERSIONS
    from .words import VERSION

    class Config(PluginConfig):
        depth: int = 1
        @field_validator("depth")
        @classmethod
        def check(cls, depth): return depth

    class Swapped(Plugin[Config]):
        id = "{name}"
        version = "{version}"

        async def on_load(self): {on_load}
        async def health(self): {health}

        # Long, so that a busy machine is no failure: what is proved is that a swap is none.
        @hook("pre_flight", on_failure="closed", timeout_ms=5000)
        async def note_request(self, exchange):
            {first}
            self.note(exchange)

        @hook("response_body", on_failure="closed", timeout_ms=5000)
        async def note_answer(self, exchange):
            self.note(exchange)

        def note(self, exchange):
            if not exchange.synthetic:
                MET[exchange.id][VERSION] += 1
                VERSIONS.add(VERSION)
"""
GOOD = {
    "on_load": "...",
    "health": "return Health()",
    "first": "await asyncio.sleep(0 if exchange.synthetic else {wait})",
}
# Three plugins wait so long, so that an exchange lasts longer than a swap: each swap meets all clients in the midst of
# one, and they leave it the processor.
WAIT_S = 0.2


def write_all(folder: Path, version: str, **changes: str) -> None:
    """`changes` are those of the seventeenth plugin."""
    for number, name in enumerate(NAMES):
        made = GOOD | {"first": GOOD["first"].format(wait=WAIT_S if number % 10 == 0 else 0)}
        made |= changes if number == 17 else {}
        write_one(folder / name, dedent(SOURCE).format(name=name, version=version, **made), version)


def write_one(place: Path, source: str, version: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, text in {"plugin.py": source, "words.py": f"VERSION = '{version}'\n"}.items():
        (place / name).write_text(text, encoding="utf-8")


def _add(path: str, text: str) -> Callable[[Path], None]:
    def add(folder: Path) -> None:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")

    return add


def _link(folder: Path) -> None:
    os.symlink("/etc/hostname", folder / NAMES[17] / "host.txt")


BROKEN = "swapped_17/plugin.py"
# What refuses a swap, and what the refusal tells.
REFUSALS: tuple[tuple[Callable[[Path], None], str], ...] = (
    (_add(BROKEN, "def broken(:"), "SyntaxError"),
    (_add(BROKEN, "import absent_module_of_nobody"), "ModuleNotFoundError"),
    (_add(BROKEN, "import sys; sys.exit(1)"), "SystemExit"),
    (_add("swapped_17/words.py", "1 / 0"), "ZeroDivisionError"),
    (_add("swapped_17/jackfield.toml", "id = 7"), "valid string"),
    (_add("swapped_17/jackfield.toml", 'id = "swapped_17"\n[requires]\nservices = ["absent"]'), "requires the service"),
    (_add("another/jackfield.toml", 'id = "swapped_17"\nentry = "absent"'), "is taken by"),
    (_link, "leads out"),
)
LIVES = (
    ({"on_load": "raise OSError('no disk')"}, "no disk"),
    ({"health": "return 7"}, "not Health"),
    ({"first": "raise KeyError('always')"}, "failed when it was tried"),
)


def mend(folder: Path) -> None:
    """Takes away what `REFUSALS` have put there."""
    for path in ("another/jackfield.toml", "swapped_17/jackfield.toml", "swapped_17/host.txt"):
        (folder / path).unlink(missing_ok=True)
