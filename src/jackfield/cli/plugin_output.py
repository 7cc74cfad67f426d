"""What the admin API tells of plugins, as tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from jackfield.cli.expiry import show_time
from jackfield.cli.output import print_table

Told = Mapping[str, Any]


def print_plugins(plugins: list[Told]) -> None:
    headings = ("ID", "NAME", "VERSION", "DIALECT", "SOURCE", "STATE", "HOOKS", "CALLS", "ERRORS", "REASON")
    print_table(headings, [_row(plugin) for plugin in plugins])


def _row(plugin: Told) -> tuple[str, ...]:
    points = ", ".join(dict.fromkeys(hook["point"] for hook in plugin["hooks"]))
    stats = plugin["stats"]
    texts = (plugin[key] for key in ("id", "name", "version", "dialect", "source", "state"))
    return (*texts, points or "-", str(stats["calls"]), str(stats["errors"]), one_line(plugin["reason"]))


def print_plugin(plugin: Told) -> None:
    print_table(("FIELD", "VALUE"), _fields(plugin))
    if plugin["hooks"]:
        typer.echo()
        print_table(("HOOK", "POINT", "PRIORITY", "DEADLINE", "ON FAILURE"), map(_hook_row, plugin["hooks"]))


def _fields(plugin: Told) -> Iterator[tuple[str, str]]:
    for key in ("id", "name", "version", "author", "description", "dialect", "runtime", "source", "place", "digest"):
        yield key, one_line(plugin[key])
    yield "enabled", "yes" if plugin["enabled"] else "no"
    yield "state", plugin["state"]
    yield "reason", one_line(plugin["reason"])
    permissions = plugin["permissions"]
    yield "permissions", ", ".join(permissions["approved"]) or "-"
    yield "not approved", ", ".join(permissions["difference"]) or "-"
    yield "config", json.dumps(plugin["config"])
    yield from _process_fields(plugin.get("process") or {})
    yield from ((key, one_line(value)) for key, value in plugin["stats"].items())


def _process_fields(process: Told) -> Iterator[tuple[str, str]]:
    for key, value in process.items():
        told = ", ".join(map(str, value)) if isinstance(value, list) else value
        yield f"process {key.replace('_', ' ')}", one_line(told)


def _hook_row(hook: Told) -> tuple[str, ...]:
    return hook["hook"], hook["point"], str(hook["priority"]), f"{hook['timeout_ms']:g} ms", hook["on_failure"]


def print_permissions(told: Told) -> None:
    rows = []
    for permission in told["asked"]:
        state = "approved" if permission["name"] in told["approved"] else "not approved"
        rows.append((permission["name"], state, permission["sentence"]))
    print_table(("PERMISSION", "STATE", "WHAT IT ALLOWS"), rows)


def print_config(told: Told) -> None:
    """Reserved keys, which are the gateway's own, are only in what was set."""
    every = dict(told["config"]) | {key: value for key, value in told["overlay"].items() if key not in told["config"]}
    rows = [
        (key, json.dumps(value, ensure_ascii=False), "yes" if key in told["overlay"] else "no")
        for key, value in every.items()
    ]
    print_table(("KEY", "VALUE", "SET HERE"), rows)


def print_generations(generations: list[Told]) -> None:
    headings = ("GENERATION", "AT", "BY", "ACTION", "CHANGES", "GOES BACK TO")
    print_table(headings, map(_generation_row, generations))


def _generation_row(told: Told) -> tuple[str, ...]:
    back = told["goes_back_to"]
    changes = "; ".join(_tell_changes(name, told["changes"].get(name, ())) for name in told["plugins"])
    made = (str(told["number"]), show_time(told["at"]), told["actor"], told["action"])
    return (*made, one_line(changes), "-" if back is None else str(back))


def _tell_changes(plugin: str, lines: Sequence[str]) -> str:
    """Generations of earlier versions have no lines."""
    return f"{plugin}: {', '.join(lines)}" if lines else plugin


def tell_change(told: Told, done: str, already: str) -> None:
    """One line of what was done, or that all was so already; notes beside it."""
    typer.echo(f"{done} (generation {told['generation']})" if told["changed"] else already)
    for note in told["notes"]:
        sys.stderr.write(f"note: {note}\n")


def one_line(value: Any) -> str:
    text = "" if value is None else str(value)
    return " ".join(text.split()) or "-"
