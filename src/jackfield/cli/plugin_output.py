"""What the admin API tells of plugins, as tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from jackfield.cli.expiry import show_time
from jackfield.cli.output import escape_controls, print_table

Told = Mapping[str, Any]


def print_plugins(plugins: list[Told]) -> None:
    headings = ("ID", "NAME", "VERSION", "DIALECT", "SOURCE", "STATE", "HOOKS", "CALLS", "ERRORS", "REASON")
    print_table(headings, [_row(plugin) for plugin in plugins])


def _row(plugin: Told) -> tuple[str, ...]:
    points = ", ".join(dict.fromkeys(hook["point"] for hook in plugin["hooks"]))
    stats = plugin["stats"]
    texts = (plugin[key] for key in ("id", "name", "version", "dialect", "source", "state"))
    reason = plugin["revoked"] or plugin["reason"]
    return (*texts, points or "-", str(stats["calls"]), str(stats["errors"]), one_line(reason))


def print_plugin(plugin: Told) -> None:
    print_table(("FIELD", "VALUE"), _fields(plugin))
    if plugin["hooks"]:
        typer.echo()
        print_table(("HOOK", "POINT", "PRIORITY", "DEADLINE", "ON FAILURE"), map(_hook_row, plugin["hooks"]))


def _fields(plugin: Told) -> Iterator[tuple[str, str]]:
    for key in ("id", "name", "version", "author", "description", "dialect", "runtime", "source", "place", "digest"):
        yield key, one_line(plugin[key])
    if plugin["origin"] is not None:
        yield "archive", plugin["origin"]["sha256"]
        yield "signed with", one_line(plugin["origin"].get("signer"))
        yield "revoked", one_line(plugin["revoked"])
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


def print_offer(offer: Told) -> None:
    """What would be installed, and what it asks for; on an upgrade what is new of that."""
    print_table(("FIELD", "VALUE"), _offer_fields(offer))
    if offer["asked"]:
        typer.echo()
        print_table(("PERMISSION", "STATE", "WHAT IT ALLOWS"), [_asked_row(one, offer) for one in offer["asked"]])


def _offer_fields(offer: Told) -> Iterator[tuple[str, str]]:
    for key in ("id", "version", "name", "author", "description", "dialect", "runtime", "place", "sha256"):
        if offer[key]:
            yield key, one_line(offer[key])
    if offer["packed"]:
        yield "signed by", offer["signer"] or (f"somebody unknown ({offer['key']})" if offer["key"] else "nobody")
    if offer["catalogue"]:
        yield "catalogue", offer["catalogue"]
    if offer["upgrades"]:
        yield "takes the place of", offer["upgrades"]
    if offer["removed"]:
        yield "no longer asks for", ", ".join(offer["removed"])
    if offer["hosts"] is not None:
        yield "sends requests to", ", ".join(offer["hosts"]) or "-"
    if offer["starts"]:
        yield "starts", json.dumps({key: value for key, value in offer["starts"].items() if value})
    if offer["packages"]:
        yield "brings", ", ".join(offer["packages"])


def _asked_row(asked: Told, offer: Told) -> tuple[str, ...]:
    name = asked["name"]
    state = "approved" if name in offer["approved"] else "new" if name in offer["added"] else "not approved"
    return name, state, asked["sentence"]


def print_listed(plugins: list[Told]) -> None:
    headings = ("ID", "VERSION", "PUBLISHED", "INSTALLED", "CATALOGUE", "WHAT IT IS")
    print_table(headings, map(_listed_row, plugins))


def _listed_row(one: Told) -> tuple[str, ...]:
    told = f"REVOKED: {one['revoked']}" if one["revoked"] else one["description"] or one["name"]
    published = one["published_at"][:10]
    return one["id"], one["version"], published, one["installed"] or "-", one["catalogue"], one_line(told)


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
        sys.stderr.write(f"note: {escape_controls(note)}\n")


def one_line(value: Any) -> str:
    text = "" if value is None else str(value)
    return " ".join(text.split()) or "-"
