"""Tables for people, JSON for programs; both on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def escape_controls(text: str) -> str:
    """What would steer a terminal, or turn the order of its letters, as its escape: strangers wrote some of it."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Never cut: a pipe or a narrow terminal gets longer lines or folded cells, not missing text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape_controls(cell), style=_STYLES.get(cell, "")) for cell in row))
    console.print(table)


_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
