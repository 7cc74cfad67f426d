"""The description of the admin API for people: one page made from the OpenAPI document, without any script and without
anything from another host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
METHODS = ("get", "post", "put", "patch", "delete")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886 }
summary { cursor: pointer; padding: .4rem 0 }
code, b { font-family: ui-monospace, monospace }
table { border-collapse: collapse; margin: .5rem 0 1rem }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0 }
:root { color-scheme: light dark }
"""

Json = Mapping[str, Any]


def describe(document: Json) -> str:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>",
            f"<p>{escape(document['info'].get('description', ''))}",
            ' For programs: <a href="/api/openapi.json">openapi.json</a>.</p>',
            *_groups(document),
            "</body></html>",
        )
    )


def _groups(document: Json) -> Iterator[str]:
    """Operations under the tags they bear, in the order of the document."""
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(document, path, method, item[method]))
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"


def _operation(document: Json, path: str, method: str, operation: Json) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answers = ((status, told.get("description", "")) for status, told in operation["responses"].items())
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code></summary>"
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
        f"{_table('Parameters', map(_parameter, operation.get('parameters', ())))}"
        f"{_table('Body', _fields(_resolve(document, body)))}"
        f"{_table('Answers', answers)}"
        "</details>"
    )


def _table(title: str, rows: Iterator[tuple[str, str]]) -> str:
    lines = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(told)}</td></tr>" for name, told in rows)
    return f"<table><tr><th colspan=2>{title}</th></tr>{lines}</table>" if lines else ""


def _parameter(parameter: Json) -> tuple[str, str]:
    told = [parameter["in"], _kind(parameter.get("schema", {})), parameter.get("description", "")]
    return parameter["name"], ", ".join(text for text in told if text)


def _fields(schema: Json) -> Iterator[tuple[str, str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield name, _kind(field) + (", required" if name in required else "")


def _kind(schema: Json) -> str:
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", ""))


def _resolve(document: Json, schema: Json) -> Json:
    reference = schema.get("$ref", "")
    found: Json = document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema
    return found
