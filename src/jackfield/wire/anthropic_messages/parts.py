"""Reading content blocks into canonical parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec import Raw

from jackfield.wire.chat import (
    CacheControl,
    Extra,
    File,
    Image,
    Opaque,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    freeze,
)
from jackfield.wire.crossing import spread_rest
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encoded,
    read_fields,
    read_fields_list,
    read_flag,
    read_object,
    read_text,
    sort_fields,
    wrong,
)

FORMAT = "anthropic_messages"
# Objects whose fields the canonical form spreads out; what is left of them is kept under a dotted name.
SPREAD = frozenset({"metadata", "output_config", "source", "tool_choice", "usage"})

Sorted = tuple[dict[str, Any], Extra]
ResultPart = Text | Image | File | Opaque

_QUOTE = ord('"')
_TEXT_KIND = Raw(b'"text"')
_PLAIN_MARK = Raw(b'{"type":"ephemeral"}')
_CACHED = CacheControl()


def read_parts(raw: Raw, path: str) -> tuple[Part, ...]:
    """A message's `content`: a string, or a list of blocks."""
    if memoryview(raw)[0] == _QUOTE:
        return (Text(text=read_text(raw, path)),)
    blocks = read_fields_list(raw, path)
    return tuple([_read_usual(fields, path, index) for index, fields in enumerate(blocks)])


def read_result_parts(raw: Raw, path: str) -> tuple[ResultPart, ...]:
    """The `content` of a tool result, where only a few kinds of block have canonical meaning."""
    if memoryview(raw)[0] == _QUOTE:
        return (Text(text=read_text(raw, path)),)
    blocks = read_fields_list(raw, path)
    parts = (_read_block(fields, f"{path}[{i}]", _RESULT_READERS) for i, fields in enumerate(blocks))
    return cast("tuple[ResultPart, ...]", tuple(parts))


def _read_usual(fields: Fields, path: str, index: int) -> Part:
    """A shorter way for the block that nearly all are: a text and nothing more."""
    if len(fields) == 2 and fields.get("type") == _TEXT_KIND and "text" in fields:
        return Text(text=read_text(fields["text"], f"{path}[{index}].text"))
    return _read_block(fields, f"{path}[{index}]", _READERS)


def _read_block(fields: Fields, path: str, readers: dict[str, Callable[[Fields, str], Part | None]]) -> Part:
    kind = read_kind(fields, path)
    read = readers.get(kind)
    part = read(fields, path) if read else None
    return part if part is not None else Opaque(format=FORMAT, type=kind, raw=encoded(fields))


def read_kind(fields: Fields, path: str) -> str:
    raw = fields.get("type")
    if raw is None:
        raise wrong(f"{path}.type", "required")
    return read_text(raw, f"{path}.type")


def sort_block(fields: Fields, known: dict[str, tuple[str, Read[Any]]], path: str, *required: str) -> Sorted:
    """A block's known fields and the rest, its `type` set aside. A cache mark that the canonical form
    cannot hold whole stays with the rest."""
    values, extra = sort_fields({n: raw for n, raw in fields.items() if n != "type"}, known, f"{path}.")
    for name in required:
        if name not in values:
            raise wrong(f"{path}.{name}", "required")
    if "cache_control" in extra:
        cache = _read_cache(extra["cache_control"], f"{path}.cache_control")
        if cache is not None:
            values["cache"] = cache
            del extra["cache_control"]
    return values, freeze(extra)


def _read_cache(raw: Raw, path: str) -> CacheControl | None:
    if raw == _PLAIN_MARK:
        return _CACHED
    if raw == NULL:
        return None
    fields = read_fields(raw, path)
    kind = read_kind(fields, path)
    ttl = fields.get("ttl", NULL)
    known = kind == "ephemeral" and fields.keys() <= {"type", "ttl"}
    return CacheControl(ttl=None if ttl == NULL else read_text(ttl, f"{path}.ttl")) if known else None


_TEXT: dict[str, tuple[str, Read[Any]]] = {"text": ("text", read_text)}


def _read_text_block(fields: Fields, path: str) -> Text:
    values, extra = sort_block(fields, _TEXT, path, "text")
    return Text(**values, extra=extra)


_SOURCE: dict[str, tuple[str, Read[Any]]] = {
    "url": ("url", read_text),
    "data": ("data", read_text),
    "media_type": ("media_type", read_text),
    "file_id": ("file_id", read_text),
}
_SOURCE_FIELDS = {
    "base64": {"data", "media_type"},
    "url": {"url"},
    "file": {"file_id"},
    "text": {"data", "media_type"},
}


def _read_source(raw: Raw, path: str, kinds: frozenset[str]) -> Sorted | None:
    """Where a picture or document comes from, or `None` for a source without canonical meaning."""
    fields = read_fields(raw, path)
    kind = read_kind(fields, path)
    if kind not in kinds:
        return None
    values, extra = sort_block(fields, _SOURCE, path, *sorted(_SOURCE_FIELDS[kind]))
    plain = values.get("media_type") == "text/plain"
    if values.keys() != _SOURCE_FIELDS[kind] or plain != (kind == "text"):
        return None
    return values, spread_rest(dict(extra), "source")


_IMAGE: dict[str, tuple[str, Read[Any]]] = {"source": ("source", lambda raw, _: raw)}
_IMAGE_SOURCES = frozenset({"base64", "url"})
_DOCUMENT = _IMAGE | {"title": ("name", read_text)}
_DOCUMENT_SOURCES = frozenset(_SOURCE_FIELDS)


def _read_image(fields: Fields, path: str) -> Image | None:
    values, extra = sort_block(fields, _IMAGE, path, "source")
    source = _read_source(values.pop("source"), f"{path}.source", _IMAGE_SOURCES)
    return Image(**values, **source[0], extra=freeze({**extra, **source[1]})) if source else None


def _read_document(fields: Fields, path: str) -> File | None:
    values, extra = sort_block(fields, _DOCUMENT, path, "source")
    source = _read_source(values.pop("source"), f"{path}.source", _DOCUMENT_SOURCES)
    return File(**values, **source[0], extra=freeze({**extra, **source[1]})) if source else None


def _read_input(raw: Raw, path: str) -> str:
    return bytes(read_object(raw, path)).decode()


_TOOL_USE: dict[str, tuple[str, Read[Any]]] = {
    "id": ("id", read_text),
    "name": ("name", read_text),
    "input": ("arguments", _read_input),
}


def _read_tool_use(fields: Fields, path: str) -> ToolCall:
    values, extra = sort_block(fields, _TOOL_USE, path, "id", "name")
    values.setdefault("arguments", "{}")
    return ToolCall(**values, extra=extra)


_TOOL_RESULT: dict[str, tuple[str, Read[Any]]] = {
    "tool_use_id": ("tool_call_id", read_text),
    "content": ("parts", read_result_parts),
    "is_error": ("is_error", read_flag),
}


def _read_tool_result(fields: Fields, path: str) -> ToolResult:
    values, extra = sort_block(fields, _TOOL_RESULT, path)
    if "tool_call_id" not in values:
        raise wrong(f"{path}.tool_use_id", "required")
    values.setdefault("parts", ())
    return ToolResult(**values, extra=extra)


_THINKING: dict[str, tuple[str, Read[Any]]] = {
    "thinking": ("text", read_text),
    "signature": ("signature", read_text),
}
_REDACTED: dict[str, tuple[str, Read[Any]]] = {"data": ("redacted", read_text)}


def _read_thinking(fields: Fields, path: str) -> Thinking:
    values, extra = sort_block(fields, _THINKING, path)
    return Thinking(**values, extra=extra)


def _read_redacted(fields: Fields, path: str) -> Thinking:
    values, extra = sort_block(fields, _REDACTED, path)
    return Thinking(redacted=values.get("redacted", ""), extra=extra)


_RESULT_READERS: dict[str, Callable[[Fields, str], Part | None]] = {
    "text": _read_text_block,
    "image": _read_image,
    "document": _read_document,
}
_READERS = _RESULT_READERS | {
    "tool_use": _read_tool_use,
    "tool_result": _read_tool_result,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
}
