"""Markdown for the reference pages, and the words of `docs/meanings.toml`."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

DOCS = Path(__file__).resolve().parent
MEANINGS: dict[str, dict[str, Any]] = tomllib.loads((DOCS / "meanings.toml").read_text(encoding="utf-8"))
TEXTS: Mapping[str, str] = MEANINGS["texts"]
NOTE = "<!-- Made from the code by docs/generate.py; change it there, or in docs/meanings.toml. -->"


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


def pairs(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((code(name), text) for name, text in told.items())
