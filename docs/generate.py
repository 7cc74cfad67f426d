"""Writes the reference pages that are made from the code: `python docs/generate.py`.

`docs/meanings.toml` holds the words that the code cannot supply. A test fails when a page is not what this would write.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sdk_reference import sdk_page
from writing import DOCS, MEANINGS, TEXTS, code, codes, default_of, meanings, page, pairs, prose, table

from jackfield import app, errors, settings
from jackfield.cli.application import command
from jackfield.control.records import UsageRecord
from jackfield.control.usage import PARAMETERS
from jackfield.sdk.hooks import POINTS, HookPoint, hook
from jackfield.sdk.manifest import Manifest
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.server.agents import AGENTS
from jackfield.server.inference import MODELS, ROUTES
from jackfield.server.mcp import MCP_PATH
from jackfield.server.operations import PATHS
from jackfield.server.responses import RESPONSES
from jackfield.services.kv import QUOTA, VERBS
from jackfield.services.limits import OPERATIONS, WINDOW_S
from jackfield.settings.fields import variable_paths
from jackfield.stores.ledger import BUCKETS, GROUPS
from jackfield.telemetry.logs import configure_logs
from jackfield.telemetry.metrics import Snapshot
from jackfield.testing import Caller

OWN_HEADER = re.compile(r'"(x-jackfield-[a-z-]+)"')


class Facts(msgspec.Struct, frozen=True):
    """What only a running gateway tells: its admin API and its metrics."""

    openapi: dict[str, Any]
    metrics: Snapshot


# Settings and manifest


WORDS = {int: "integer", float: "number", bool: "boolean", str: "text", Path: "path"}
BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def describe_type(annotation: Any) -> str:
    """A setting's type in the words of a config file."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin in (Union, type(int | str)):
        told = [describe_type(each) for each in arguments if each is not type(None)]
        return " or ".join(dict.fromkeys(told))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if origin is dict:
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return WORDS.get(annotation, "text")


def bounds(field: FieldInfo) -> str:
    told = []
    for item in field.metadata:
        told += [f"{sign} {getattr(item, name):g}" for name, sign in BOUNDS.items() if hasattr(item, name)]
    return ", ".join(told)


def setting_rows(prefix: str, model: type[BaseModel], told: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        limit = bounds(field)
        kind = describe_type(field.annotation)
        yield code(name), f"{kind}, {limit}" if limit else kind, default_of(field), told[f"{prefix}.{name}"]


SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("[server]", "server", settings.ServerSettings),
    ("[store]", "store", settings.StoreSettings),
    ("[[upstreams]]", "upstreams[]", settings.Upstream),
    ("[plugins]", "plugins", settings.PluginSettings),
    ("[plugins.config.<id>]", "plugins.config.<id>", settings.PluginConfig),
    ("[secrets.<name>]", "secrets.<name>", settings.NamedSecret),
    ("[mcp]", "mcp", settings.McpSettings),
    ("[[mcp.servers]]", "mcp.servers[]", settings.McpServer),
    ("[sign_in.<name>]", "sign_in.<name>", settings.SignInSettings),
    ("[accounts]", "accounts", settings.AccountSettings),
    ("[memory]", "memory", settings.MemorySettings),
    ("[isolation]", "isolation", settings.IsolationSettings),
    ("[isolation.plugins.<id>]", "isolation.plugins.<id>", settings.PluginIsolation),
    ("[install]", "install", settings.InstallSettings),
    ("[[install.catalogues]]", "install.catalogues[]", settings.CatalogueSettings),
    ("[logs]", "logs", settings.LogSettings),
    ("[usage]", "usage", settings.UsageSettings),
    ("[responses]", "responses", settings.ResponseSettings),
    ("[telemetry]", "telemetry", settings.TelemetrySettings),
)


# Tables of their own, with sections of their own.
TABLES = (
    (settings.PluginSettings, "config"),
    (settings.McpSettings, "servers"),
    (settings.IsolationSettings, "plugins"),
    (settings.InstallSettings, "catalogues"),
)


def without_tables(model: type[BaseModel]) -> type[BaseModel]:
    """Without those of its keys that have a section of their own."""
    kept = {name: field for name, field in model.model_fields.items() if (model, name) not in TABLES}
    return type(model.__name__, (), {"model_fields": kept})


def settings_page(facts: Facts) -> str:
    models = [(title, prefix, without_tables(model)) for title, prefix, model in SECTIONS]
    names = [f"{prefix}.{name}" for _, prefix, model in models for name in model.model_fields]
    told = meanings("settings", names)
    parts = [TEXTS["settings_intro"]]
    for title, prefix, model in models:
        note = MEANINGS["section_notes"].get(prefix)
        rows = table(("key", "type", "default", "what"), setting_rows(prefix, model, told))
        parts.append("\n\n".join(part for part in (f"## `{title}`", note, rows) if part))
    variables = meanings("variables", settings_variables())
    parts.append("## Environment variables that are no settings\n\n" + table(("variable", "what"), pairs(variables)))
    parts.append(
        "## Every variable of a setting\n\nTables and lists are written as JSON.\n\n"
        + table(
            ("variable", "setting"),
            ((code(name), code(".".join(map(str, path)))) for name, path in variable_paths().items()),
        )
    )
    return page("Settings", *parts)


def settings_variables() -> Iterable[str]:
    from jackfield.settings.environment import RESERVED

    return RESERVED


def manifest_page(facts: Facts) -> str:
    told = meanings("manifest", Manifest.model_fields)
    rows = []
    for name, field in Manifest.model_fields.items():
        pattern = next((item.pattern for item in field.metadata if getattr(item, "pattern", None)), "")
        rows.append(
            (
                code(name),
                describe_type(field.annotation),
                default_of(field),
                told[name],
                code(pattern) if pattern else "-",
            )
        )
    return page("Manifest", TEXTS["manifest_intro"], table(("field", "type", "default", "what", "must match"), rows))


# Errors


def error_kinds(kind: type[errors.JackfieldError] = errors.JackfieldError, depth: int = 0) -> Iterator[tuple[Any, int]]:
    yield kind, depth
    for child in sorted(kind.__subclasses__(), key=lambda each: inspect.getsourcelines(each)[1]):
        if child.__module__ == errors.__name__:
            yield from error_kinds(child, depth + 1)


def errors_page(facts: Facts) -> str:
    kinds = list(error_kinds())
    told = meanings("errors", (kind.__name__ for kind, _ in kinds))
    rows = []
    for kind, depth in kinds:
        own = kind is errors.Refused
        status = "the plugin's" if own else "the upstream's" if kind is errors.UpstreamRejected else str(kind.status)
        name = "&nbsp;&nbsp;" * depth + code(kind.__name__)
        rows.append(
            (
                name,
                "the plugin's" if own else code(kind.code),
                status,
                "yes" if kind.transient else "no",
                told[kind.__name__],
            )
        )
    return page(
        "Errors",
        TEXTS["errors_intro"],
        table(("class", "code", "status", "transient", "meaning"), rows),
        TEXTS["errors_end"],
    )


# Hooks and the SDK


def hooks_page(facts: Facts) -> str:
    told = meanings("points", POINTS)
    overview = table(
        ("point", "when", "may answer", "failure policy", "deadline"),
        (
            (
                f"[`{point.name}`](#{point.name})",
                point.when,
                codes(kind.__name__ for kind in point.outcomes),
                policy_of(point),
                f"{point.default_timeout_ms:g} ms",
            )
            for point in POINTS.values()
        ),
    )
    options = table(("option", "default"), option_rows())
    parts = [
        TEXTS["hooks_intro"],
        overview,
        TEXTS["hooks_order"],
        *(point_part(point, told[point.name]) for point in POINTS.values()),
    ]
    return page("Hooks", *parts, "## `@hook`\n\n" + prose(hook.__doc__) + "\n\n" + options)


def policy_of(point: HookPoint) -> str:
    return f"always `{point.policy}`" if point.policy else "stated by the author"


def option_rows() -> Iterator[tuple[str, str]]:
    for name, parameter in inspect.signature(hook).parameters.items():
        if name != "point":
            yield code(name), code(parameter.default)


def point_part(point: HookPoint, told: str) -> str:
    replaces = codes(kind.__name__ for kind in point.replaces)
    given = "`(self, exchange, event)`" if point.name == "response_chunk" else "`(self, exchange)`"
    lines = [f"### {point.name}", f"{point.when} {told}", f"- called with {given}"]
    lines.append(f"- may answer {codes(kind.__name__ for kind in point.outcomes)}, or `None` to go on")
    if replaces:
        many = ", or a tuple of these" if point.many else ""
        lines.append(f"- `Replace` takes {replaces}{many}")
    lines.append(f"- failure policy: {policy_of(point)}; deadline: {point.default_timeout_ms:g} ms unless stated")
    if point.post:
        lines.append("- runs in reverse order")
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


# Command line


def commands(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if children := getattr(node, "commands", None):
        for name, child in children.items():
            yield from commands(child, f"{path} {name}")
    else:
        yield path, node


def cli_page(facts: Facts) -> str:
    parts = [TEXTS["cli_intro"]]
    for path, node in commands(command(), "jackfield"):
        arguments = [option for option in node.params if not option.opts[0].startswith("-")]
        usage = " ".join([path, *(option.metavar or option.name.upper() for option in arguments)])
        rows = [
            (option_name(option), option.help or "", option_default(option))
            for option in node.params
            if option not in arguments
        ]
        parts.append("\n\n".join([f"## {path}", prose(node.help), f"    {usage}" + (" [OPTIONS]" if rows else "")]))
        if rows:
            parts.append(table(("option", "what", "default"), rows))
    return page("Command line", *parts)


def option_name(option: Any) -> str:
    if option.is_flag:
        return codes(option.opts)
    choices = option.default if isinstance(option.default, Enum) else None
    metavar = option.metavar or ("|".join(each.value for each in type(choices)) if choices else "TEXT")
    return codes(f"{name} {metavar}" for name in option.opts)


def option_default(option: Any) -> str:
    value = option.default.value if isinstance(option.default, Enum) else option.default
    return "-" if value in (None, False, ()) else code(value)


# Permissions


def permissions_page(facts: Facts) -> str:
    rows = [(code(name), sentence, codes(opened_by(name)) or "-") for name, sentence in PERMISSIONS.items()]
    limits = [
        ("keys", f"{QUOTA.keys:,}", "over all namespaces and users"),
        ("size", f"{QUOTA.size:,} bytes", "of keys and values together, as stored"),
        ("operations", f"{OPERATIONS} in any {WINDOW_S:g} seconds", "over all services, in each worker"),
    ]
    return page(
        "Permissions",
        TEXTS["permissions_intro"],
        table(("permission", "what an operator approves", "opens"), rows),
        TEXTS["permissions_reserved"],
        "## Limits of each plugin",
        table(("limit", "how much", "of what"), limits),
        f"Verbs that read and write at once need both permissions: {codes(f'kv.{verb}' for verb in with_several())}.",
    )


def opened_by(permission: str) -> list[str]:
    return [f"kv.{verb}" for verb, needed in VERBS.items() if permission in needed]


def with_several() -> list[str]:
    return [verb for verb, needed in VERBS.items() if len(needed) > 1]


# HTTP, metrics, usage


def http_page(facts: Facts) -> str:
    told = meanings("operations", PATHS)
    inference = [(code(route.name), code(route.format.name)) for route in ROUTES.values()]
    inference += [(code(f"GET {MODELS}"), "both"), (code(f"GET {MODELS}/{{model}}"), "both")]
    kept = "of answers that the gateway keeps: see [wire formats](formats.md)"
    inference += [(code(f"{pair} {RESPONSES}/{{id}}"), kept) for pair in ("GET", "DELETE")]
    inference.append((code(f"GET {RESPONSES}/{{id}}/input_items"), kept))
    agents = "of its own: see [Let models use tools](../how-to/agents.md)"
    inference += [(code(f"POST {AGENTS}/{{id}}"), agents), (code(f"GET {AGENTS}"), agents)]
    mcp = "JSON-RPC, with an inference key: see [Speak MCP, both ways](../how-to/mcp.md)"
    inference.append((code(f"POST {MCP_PATH}"), mcp))
    admin = [
        (code(f"{method.upper()} {path}"), prose(operation.get("description") or operation.get("summary")))
        for path, methods in facts.openapi["paths"].items()
        for method, operation in methods.items()
    ]
    admin += [
        (code("GET, POST /oauth/…"), "Signing in: see [Sign in with an account](../how-to/sign-in.md)"),
        (code("GET /api/docs"), "The admin API, for people"),
        (code("GET /api/openapi.json"), "The same, for programs"),
    ]
    return page(
        "HTTP",
        "## Inference\n\n" + TEXTS["inference"],
        table(("path", "format"), inference),
        "## Operations\n\nOpen to anyone who reaches the port.",
        table(("path", "what"), ((code(f"GET {path}"), told[path]) for path in PATHS)),
        "## Admin API\n\n" + TEXTS["admin"],
        table(("path", "what"), admin),
        "## Request headers",
        table(("header", "what"), pairs(headers()["request"])),
        "## Answer headers",
        table(("header", "what"), pairs(headers()["answer"])),
    )


def headers() -> Mapping[str, Mapping[str, str]]:
    """Raises `ValueError` where the code knows a header of ours that has no words, or the other way round."""
    source = Path(inspect.getfile(errors)).parent
    known = {name for file in source.rglob("*.py") for name in OWN_HEADER.findall(file.read_text(encoding="utf-8"))}
    told: Mapping[str, Mapping[str, str]] = MEANINGS["headers"]
    if known != {name for table in told.values() for name in table if name.startswith("x-jackfield-")}:
        raise ValueError(f"docs/meanings.toml [headers] does not fit the code: {', '.join(sorted(known))}")
    return told


def metrics_page(facts: Facts) -> str:
    rows = [
        (code(exposed(name, family.kind)), family.kind, codes(family.labels) or "-", family.help)
        for name, family in sorted(facts.metrics.items())
    ]
    return page("Metrics", TEXTS["metrics_intro"], table(("name", "kind", "labels", "what"), rows))


def exposed(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def usage_page(facts: Facts) -> str:
    told = meanings("usage", UsageRecord.__struct_fields__)
    return page(
        "Usage records",
        TEXTS["usage_intro"],
        "## Parameters of `GET /api/v1/usage`",
        table(
            ("parameter", "what"),
            ((code(name), MEANINGS["parameters"].get(name, f"Only records with this `{name}`")) for name in PARAMETERS),
        ),
        f"`group_by` takes {codes(GROUPS)}, and for time {codes(BUCKETS)} (its start, in seconds since the epoch).",
        "## Fields of a record",
        table(("field", "what"), pairs(told)),
    )


async def look_up_facts() -> Facts:
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"server.port": 0, "store.data_dir": folder, "logs.level": "error"}
        given = settings.load(None, overrides, {})
        configure_logs(given.logs)
        async with app.running(given, environ={}) as gateway:
            headers = {"authorization": f"Bearer {gateway.admin_key}"}
            async with Caller(gateway.url, headers=headers) as caller:
                described = await caller.get("/api/openapi.json")
            return Facts(openapi=described.json, metrics=gateway.metrics.snapshot())


PAGES: Mapping[str, Callable[[Facts], str]] = {
    "hooks": hooks_page,
    "sdk": lambda facts: sdk_page(),
    "settings": settings_page,
    "manifest": manifest_page,
    "permissions": permissions_page,
    "cli": cli_page,
    "http": http_page,
    "errors": errors_page,
    "metrics": metrics_page,
    "usage": usage_page,
}


def pages() -> dict[Path, str]:
    """Every generated page with the file it belongs in."""
    facts = asyncio.run(look_up_facts())
    return {DOCS / "reference" / f"{name}.md": make(facts) for name, make in PAGES.items()}


def main(arguments: Sequence[str]) -> int:
    """With `--check` nothing is written; the exit code is 1 and the stale pages are named where there are any."""
    stale = {file: text for file, text in pages().items() if not file.exists() or file.read_text("utf-8") != text}
    for file, text in stale.items():
        sys.stdout.write(f"{file.relative_to(DOCS.parent)}\n")
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
