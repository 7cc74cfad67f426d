"""The page of `jackfield.sdk`: every name that an author imports, with fields, members and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from pydantic import BaseModel
from writing import MEANINGS, TEXTS, code, codes, default_of, page, prose, table, type_name

from jackfield import sdk

# What stands in quotes since it is not evaluated; the quotes of defaults stay.
_ANNOTATION = re.compile(r"(: |-> )'([^']*)'")


def sdk_page() -> str:
    groups: dict[str, list[str]] = {title: [] for title in SDK_GROUPS}
    for name in sdk.__all__:
        groups[group_of(name)].append(name)
    parts = [TEXTS["sdk_intro"]]
    for title, names in groups.items():
        parts.append(f"## {title}")
        parts += [member_part(name, getattr(sdk, name)) for name in sorted(names, key=sdk_rank)]
    return page("SDK", *parts)


SDK_GROUPS: Mapping[str, list[str]] = MEANINGS["sdk"]


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
        lines.append(code(name + _ANNOTATION.sub(r"\1\2", str(inspect.signature(member)))))
        lines.append("See [hooks](hooks.md#hook)." if name == "hook" else prose(inspect.getdoc(member)))
    elif name == "POINTS":
        lines.append("The nine hook points by name; see [hooks](hooks.md).")
    elif isinstance(member, Mapping):
        rows = [(code(key), codes(value)) for key, value in member.items()]
        lines += ["What the gateway emits, and the keys of its data.", table(("type", "data"), rows)]
    else:
        lines.append("One of " + codes(getattr(each, "__name__", str(each)) for each in get_args(member)) + ".")
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
        rows = [(code(name), code(plain(note)), "-") for name, note in inspect.get_annotations(kind).items()]
    return table(("field", "type", "default"), rows) + "\n" if rows else ""


def struct_default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "empty" if value in ((), "") or (isinstance(value, Mapping | frozenset) and not value) else code(repr(value))


def plain(annotation: object) -> str:
    """Without the quotes of annotations; an empty text as a default keeps its own."""
    return str(annotation).replace("= ''", '= ""').replace("'", "")


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
