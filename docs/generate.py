"""Writes the reference pages that are made from the code: `python docs/generate.py`.

`docs/meanings.toml` holds the words that the code cannot supply. A test fails when a page is not what this would write.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jackfield import app, errors, sdk, settings
from jackfield.cli.application import command
from jackfield.control.records import UsageRecord
from jackfield.control.usage import PARAMETERS
from jackfield.sdk.hooks import POINTS, HookPoint, hook
from jackfield.sdk.manifest import Manifest
from jackfield.server.inference import MODELS, ROUTES
from jackfield.server.operations import PATHS
from jackfield.settings.fields import variable_paths
from jackfield.stores.ledger import BUCKETS, GROUPS
from jackfield.telemetry.metrics import Snapshot

DOCS = Path(__file__).resolve().parent
MEANINGS: dict[str, dict[str, Any]] = tomllib.loads((DOCS / "meanings.toml").read_text(encoding="utf-8"))
NOTE = "<!-- Made from the code by docs/generate.py; change it there, or in docs/meanings.toml. -->"
OWN_HEADER = re.compile(r'b"(x-jackfield-[a-z-]+)"')


class Facts(msgspec.Struct, frozen=True):
    """What only a running gateway tells: its admin API and its metrics."""

    openapi: dict[str, Any]
    metrics: Snapshot


def meanings(kind: str, names: Iterable[str]) -> Mapping[str, str]:
    """The words for exactly these names. Raises `ValueError` that lists what is missing and what is left over."""
    table: Any = MEANINGS
    for part in kind.split("."):
        table = table[part]
    wanted = set(names)
    if faults := [f"missing: {name}" for name in wanted - set(table)] + [
        f"left over: {name}" for name in set(table) - wanted
    ]:
        raise ValueError(f"docs/meanings.toml [{kind}]: {', '.join(sorted(faults))}")
    return dict(table)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines) + "\n"


def page(title: str, *parts: str) -> str:
    return "\n\n".join((NOTE, f"# {title}", *(part.strip() for part in parts))) + "\n"


def prose(text: str | None) -> str:
    """A docstring as one paragraph a paragraph."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(paragraph if paragraph[:1] == " " else paragraph.replace("\n", " ") for paragraph in paragraphs)


def code(value: object) -> str:
    return f"`{value}`"


def codes(values: Iterable[object]) -> str:
    return ", ".join(map(code, values))


def type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is type(None) or annotation is None:
        return "None"
    if isinstance(annotation, str):
        return annotation
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, type(int | str)):
        return " | ".join(type_name(each) for each in arguments)
    if origin is not None and arguments:
        inner = ", ".join("…" if each is ... else type_name(each) for each in arguments)
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    return getattr(annotation, "__name__", str(annotation))


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


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "-"
    if isinstance(value, tuple | dict) and not value:
        return "`[]`" if isinstance(value, tuple) else "`{}`"
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(value if isinstance(value, int | float) else f'"{value}"')


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
    ("[logs]", "logs", settings.LogSettings),
    ("[usage]", "usage", settings.UsageSettings),
    ("[telemetry]", "telemetry", settings.TelemetrySettings),
)


def without_tables(model: type[BaseModel]) -> type[BaseModel]:
    """`[plugins]` without `config`, which has a section of its own."""
    kept = {
        name: field
        for name, field in model.model_fields.items()
        if (model, name) != (settings.PluginSettings, "config")
    }
    return type(model.__name__, (), {"model_fields": kept})


def settings_page(facts: Facts) -> str:
    models = [(title, prefix, without_tables(model)) for title, prefix, model in SECTIONS]
    names = [f"{prefix}.{name}" for _, prefix, model in models for name in model.model_fields]
    told = meanings("settings", names)
    parts = [SETTINGS_INTRO]
    for title, prefix, model in models:
        note = SECTION_NOTES.get(prefix)
        rows = table(("key", "type", "default", "what"), setting_rows(prefix, model, told))
        parts.append("\n\n".join(part for part in (f"## `{title}`", note, rows) if part))
    variables = meanings("variables", settings_variables())
    parts.append("## Environment variables that are no settings\n\n" + table(("variable", "what"), pairs(variables)))
    parts.append(
        "## Every variable of a setting\n\nTables and lists are written as JSON.\n\n"
        + table(
            ("variable", "setting"), ((code(name), code(".".join(path))) for name, path in variable_paths().items())
        )
    )
    return page("Settings", *parts)


def settings_variables() -> Iterable[str]:
    from jackfield.settings.environment import RESERVED

    return RESERVED


def pairs(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((code(name), text) for name, text in told.items())


SETTINGS_INTRO = """
Settings come from `jackfield.toml`, or the file that `--config` names. What is given later wins:

    defaults < file < environment < command line

`jackfield config show` prints every effective setting and where it comes from, with secrets masked; `jackfield config check`
reads the configuration as `serve` would. Unknown keys are errors that name file, line and the nearest known key. Relative
paths in the file start from the file's folder; given elsewhere, from the current one.

A setting of a section can be given as the variable `JACKFIELD_<SECTION>__<NAME>`. An empty variable gives nothing. An unknown
variable that begins with `JACKFIELD_` is an error.
"""
SECTION_NOTES = {
    "upstreams[]": "One table for each upstream, in any number. Without any there is one: provider `echo`, model `echo`.",
    "plugins.config.<id>": "The keys below are the host's. Every other key is the plugin's own and is checked by its config "
    "model; one that is wrong makes this plugin `failed` and no other.",
}


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
    return page("Manifest", MANIFEST_INTRO, table(("field", "type", "default", "what", "must match"), rows))


MANIFEST_INTRO = """
A plugin folder holds `plugin.py`, `jackfield.toml`, or both. Without a manifest the class says the same: its attributes `id`
(else its name in snake case), `version` and `description`.

```toml title="plugins/no_shouting/jackfield.toml"
id = "no_shouting"
version = "1.0.0"
description = "Refuses prompts written in capitals"
entry = "plugin:NoShouting"
priority = 50
```

Unknown fields are refused, and the plugin is listed as failed with the file and the field. Folders whose names begin with
`.` or `_` are passed over.
"""


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
    return page("Errors", ERRORS_INTRO, table(("class", "code", "status", "transient", "meaning"), rows), ERRORS_END)


ERRORS_INTRO = """
Every failure is one of the classes of `jackfield.errors`. `code` is the stable name for programs, `status` the HTTP status,
`transient` whether trying again may help. Indentation is inheritance.
"""
ERRORS_END = """
## The body of an error

Errors are in the format of the API that was called. On OpenAI paths, and on all paths that belong to neither API:

```json
{"error": {"message": "Please do not shout.", "type": "rate_limit_error", "code": "no_shouting", "param": null, "plugin": "no_shouting"}}
```

`plugin` is there where a plugin decided. On Anthropic paths:

```json
{"type": "error", "error": {"type": "rate_limit_error", "message": "Please do not shout.", "code": "no_shouting", "plugin": "no_shouting"}, "request_id": "req_660bf866202496b2401f779f4d"}
```

The body of an upstream's own error passes unchanged to a client that speaks the upstream's format.

## In a stream

Once the head of a stream is sent its status stays 200. An error then is the stream's last event, in the client's format, and
the usage record holds its code.
"""


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
    parts = [HOOKS_INTRO, overview, HOOKS_ORDER, *(point_part(point, told[point.name]) for point in POINTS.values())]
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


HOOKS_INTRO = """
A hook is an `async def` method of a plugin, marked with `@hook(point, …)`. These are all points, in the order of an exchange.
"""
HOOKS_ORDER = """
**Order.** At one point hooks run by `priority` ascending (100 unless stated by the hook, the manifest or the operator), then by
plugin and name. `before` and `after` name plugins and win over priorities. Points after the upstream run in reverse, so that
the first plugin to see a request is the last to see its answer. A plugin whose `ingress` and `pre_flight` hooks were not
reached, because another one had decided, is left out of the points after.

**Failure.** A hook that raises, answers what its point does not take, or is not done at its deadline has failed. `closed`: the
exchange is refused with an error that names the plugin. `open`: it goes on as if the hook had not been there. Five failures in
a row quarantine the plugin for 30 seconds.

**Changes.** Nothing that a hook is given can be changed in place. What it wants changed it returns in a `Replace`, so a hook
that fails half way has changed nothing.

## The points
"""


def sdk_page(facts: Facts) -> str:
    groups: dict[str, list[str]] = {title: [] for title in SDK_GROUPS}
    for name in sdk.__all__:
        groups[group_of(name)].append(name)
    parts = [SDK_INTRO]
    for title, names in groups.items():
        parts.append(f"## {title}")
        parts += [member_part(name, getattr(sdk, name)) for name in sorted(names, key=sdk_rank)]
    return page("SDK", *parts)


SDK_INTRO = """
Everything here is imported from `jackfield.sdk`. Values are immutable; `msgspec.structs.replace(value, field=…)` makes a
changed copy.
"""
SDK_GROUPS = {
    "The plugin": ("Plugin", "PluginConfig", "Health", "Manifest", "hook", "HookSpec", "HookPoint", "POINTS"),
    "What a hook is given": ("Exchange", "InboundRequest", "Head", "Candidate", "OutgoingRequest", "Attempt", "Timings"),
    "What a hook may answer": ("Outcome", "Continue", "Replace", "Reject", "Answer", "Drop", "Identity"),
    "Providers": ("HttpProvider", "CanonicalProvider", "Provider", "Upstream", "Target"),
    "Errors that a provider raises": ("UpstreamError", "ConnectFailed", "UpstreamTimeout", "UpstreamBroken", "UpstreamRejected"),
    "Canonical requests and answers": (
        "ChatRequest", "Message", "Text", "ToolCall", "ChatResponse", "Choice", "Usage",
        "EmbeddingsRequest", "EmbeddingsResponse", "ErrorResponse",
    ),
    "Stream events": ("ChatEvent", "TextDelta", "ToolCallDelta", "Finish"),
}  # fmt: skip


def group_of(name: str) -> str:
    return next(title for title, names in SDK_GROUPS.items() if name in names)


def sdk_rank(name: str) -> int:
    return SDK_GROUPS[group_of(name)].index(name)


def member_part(name: str, member: Any) -> str:
    lines = [f"### {name}"]
    if isinstance(member, type):
        if own_doc(member):
            lines.append(prose(own_doc(member)))
        lines.append(fields_of(member) + methods_of(member))
    elif inspect.isfunction(member):
        lines.append(f"`{name}{inspect.signature(member)}`".replace("'", ""))
        lines.append("See [hooks](hooks.md#hook).")
    elif isinstance(member, dict):
        lines.append("The nine hook points by name; see [hooks](hooks.md).")
    else:
        lines.append("One of " + codes(each.__name__ for each in get_args(member)) + ".")
    return "\n\n".join(line for line in lines if line.strip())


def own_doc(kind: type) -> str | None:
    return kind.__dict__.get("__doc__")


def fields_of(kind: type) -> str:
    if issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        rows = [(code(field.name), code(type_name(field.type)), struct_default(field)) for field in fields]
    elif issubclass(kind, BaseModel) and kind.model_fields:
        rows = [
            (code(name), code(type_name(field.annotation)), default_of(field))
            for name, field in kind.model_fields.items()
        ]
    else:
        rows = [(code(name), code(plain(note)), "-") for name, note in kind.__dict__.get("__annotations__", {}).items()]
    return table(("field", "type", "default"), rows) + "\n" if rows else ""


def struct_default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "empty" if value in ((), "") or (isinstance(value, Mapping | frozenset) and not value) else code(repr(value))


def plain(annotation: object) -> str:
    return str(annotation).replace("'", "")


def methods_of(kind: type) -> str:
    rows = []
    for name, member in kind.__dict__.items():
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(member, property):
            kept = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
            rows.append((f"`{name}: {plain(kept)}`", prose(member.__doc__)))
        elif inspect.isfunction(member) and name != "__init__":
            keyword = "async " if inspect.iscoroutinefunction(member) else ""
            rows.append((code(f"{keyword}{name}{plain(inspect.signature(member))}"), prose(member.__doc__)))
    return table(("member", "what"), rows) if rows else ""


# Command line


def commands(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if children := getattr(node, "commands", None):
        for name, child in children.items():
            yield from commands(child, f"{path} {name}")
    else:
        yield path, node


def cli_page(facts: Facts) -> str:
    parts = [CLI_INTRO]
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


CLI_INTRO = """
Exit codes: 0 done; 1 failed, with one clear message on stderr; 2 wrong usage. `jackfield --version` prints the version.
"""


# HTTP, metrics, usage


def http_page(facts: Facts) -> str:
    inference = [(code(route.name), code(route.format.name)) for route in ROUTES.values()]
    inference += [(code(f"GET {MODELS}"), "both"), (code(f"GET {MODELS}/{{model}}"), "both")]
    admin = [
        (code(f"{method.upper()} {path}"), prose(operation.get("description") or operation.get("summary")))
        for path, methods in facts.openapi["paths"].items()
        for method, operation in methods.items()
    ]
    admin += [
        (code("GET /api/docs"), "The admin API, for people"),
        (code("GET /api/openapi.json"), "The same, for programs"),
    ]
    return page(
        "HTTP",
        "## Inference\n\nNeeds an inference or an admin key. See [wire formats](formats.md) for what each path takes.",
        table(("path", "format"), inference),
        "## Operations\n\nOpen to anyone who reaches the port.",
        table(("path", "what"), ((code(f"GET {path}"), OPERATIONS[path]) for path in PATHS)),
        "## Admin API\n\nNeeds an admin key, except the two that describe it. Bodies are JSON whatever their content type says.",
        table(("path", "what"), admin),
        "## Request headers",
        table(("header", "what"), pairs(MEANINGS["headers"]["request"])),
        "## Answer headers",
        table(("header", "what"), pairs(answer_headers())),
    )


OPERATIONS = {
    "/health": "200 as long as the process answers: status, version, worker and uptime",
    "/ready": '200 with `{"ready": true}`, or 503 with the `reasons`; `notes` tell what is wrong while it still serves',
    "/metrics": "[Metrics](metrics.md) of all workers, as Prometheus reads them",
}


def answer_headers() -> Mapping[str, str]:
    """Raises `ValueError` where the code sends a header of ours that has no words, or the other way round."""
    source = Path(inspect.getfile(errors)).parent
    sent = {name for file in source.rglob("*.py") for name in OWN_HEADER.findall(file.read_text(encoding="utf-8"))}
    told: Mapping[str, str] = MEANINGS["headers"]["answer"]
    if sent != {name for name in told if name.startswith("x-jackfield-")}:
        raise ValueError(f"docs/meanings.toml [headers.answer] does not fit what is sent: {', '.join(sorted(sent))}")
    return told


def metrics_page(facts: Facts) -> str:
    rows = [
        (code(exposed(name, family.kind)), family.kind, codes(family.labels) or "-", family.help)
        for name, family in sorted(facts.metrics.items())
    ]
    return page("Metrics", METRICS_INTRO, table(("name", "kind", "labels", "what"), rows))


def exposed(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


METRICS_INTRO = """
`GET /metrics` needs no key. With several workers any of them answers for all: its own numbers as they are, the others' as they
were published within the last second. Histograms are in seconds and have the usual `_bucket`, `_sum` and `_count`. Labels hold
names that the operator gave: `model` is the upstream's own name of it, empty where no upstream answered. Past 2,000
combinations the rest is counted as `other`.
"""


def usage_page(facts: Facts) -> str:
    told = meanings("usage", UsageRecord.__struct_fields__)
    return page(
        "Usage records",
        USAGE_INTRO,
        "## Parameters of `GET /api/v1/usage`",
        table(
            ("parameter", "what"),
            ((code(name), PARAMETER_WORDS.get(name, f"Only records with this `{name}`")) for name in PARAMETERS),
        ),
        f"`group_by` takes {codes(GROUPS)}, and for time {codes(BUCKETS)} (the start of it, in seconds since the epoch).",
        "## Fields of a record",
        table(("field", "what"), pairs(told)),
    )


PARAMETER_WORDS = {
    "key": "Only records of the key with this id",
    "stream": "`true` or `false`",
    "status": "`2xx`, `3xx`, `4xx` or `5xx`",
    "from": "Not before this: seconds since the epoch, or ISO 8601 (UTC where it names no zone)",
    "to": "Before this",
    "group_by": "Sums instead of records; several with commas",
    "limit": "1 to 1000; 100 unless stated",
    "cursor": "`next` of the page before",
}
USAGE_INTRO = """
One record for each exchange, refused, failed and abandoned ones too. `GET /api/v1/usage` answers
`{"totals": …, "records": […], "next": …}`, newest first, or with `group_by` `{"totals": …, "groups": […], "truncated": …}`.
`totals` sums all that the filters leave. Sums hold `requests`, `errors` (status 400 and above), the token columns,
`cost_nanousd`, and `unpriced`: the number of requests whose cost is not known.
"""


async def look_up_facts() -> Facts:
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"server.port": 0, "store.data_dir": folder, "logs.level": "error"}
        async with app.running(settings.load(None, overrides, {}), environ={}) as gateway:
            admin: Any = gateway._make_admin()
            return Facts(openapi=admin.openapi(), metrics=gateway.metrics.snapshot())


PAGES: Mapping[str, Callable[[Facts], str]] = {
    "hooks": hooks_page,
    "sdk": sdk_page,
    "settings": settings_page,
    "manifest": manifest_page,
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


def main() -> int:
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
