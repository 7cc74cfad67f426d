"""Content parts, both ways."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.chat import CacheControl, File, Image, Opaque, Part, Refusal, Text, freeze
from jackfield.wire.crossing import Body, Crossing, extra_of
from jackfield.wire.json import (
    NULL,
    Fields,
    encoded,
    read_fields,
    read_optional_text,
    read_text,
    read_text_or_fields_list,
    reader,
    take,
)

FORMAT = "openai_chat"
SPREAD = frozenset(
    {
        "completion_tokens_details",
        "file",
        "function",
        "image_url",
        "json_schema",
        "prompt_tokens_details",
        "stream_options",
        "usage",
    }
)


class _Cache(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["ephemeral"]
    ttl: str | None = None


_read_cache = reader(_Cache)


def read_content(raw: Raw, path: str) -> tuple[Part, ...]:
    """`content` in its short or long form. An empty text is no part."""
    content = read_text_or_fields_list(raw, path)
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple([_read_part(fields, f"{path}[{index}]") for index, fields in enumerate(content)])


def _read_part(fields: Fields, path: str) -> Part:
    kind = read_text(fields.get("type", NULL), f"{path}.type")
    read = _READERS.get(kind)
    if read is not None:
        return read(fields, path)
    return Opaque(format=FORMAT, type=kind, raw=encoded(fields))


def _read_text_part(fields: Fields, path: str) -> Text:
    text = take(fields, "text", read_text, path)
    del fields["type"]
    if not fields:
        return Text(text=text)
    return Text(text=text, cache=take_cache(fields, path), extra=freeze(fields))


def _read_refusal_part(fields: Fields, path: str) -> Refusal:
    del fields["type"]
    return Refusal(text=take(fields, "refusal", read_text, path), extra=freeze(fields))


def _read_image_part(fields: Fields, path: str) -> Image:
    raw, rest = fields.pop("image_url", NULL), Fields()
    del fields["type"]
    if bytes(memoryview(raw)[:1]) == b'"':
        url, detail = read_text(raw, f"{path}.image_url"), None
    else:
        rest = read_fields(raw, f"{path}.image_url")
        url = take(rest, "url", read_text, f"{path}.image_url")
        detail = read_optional_text(rest.pop("detail", NULL), f"{path}.image_url.detail")
    media_type, data = split_data_url(url)
    cache = take_cache(fields, path)
    extra = extra_of(fields, "image_url", rest)
    if data is None:
        return Image(url=url, detail=detail, cache=cache, extra=extra)
    return Image(data=data, media_type=media_type, detail=detail, cache=cache, extra=extra)


def _read_file_part(fields: Fields, path: str) -> File:
    place = f"{path}.file"
    del fields["type"]
    rest = take(fields, "file", read_fields, path)
    text = {
        name: read_optional_text(rest.pop(name, NULL), f"{place}.{name}")
        for name in ("file_data", "file_id", "filename")
    }
    media_type, data = file_data_of(text["file_data"])
    return File(
        file_id=text["file_id"],
        data=data,
        media_type=media_type,
        name=text["filename"],
        cache=take_cache(fields, path),
        extra=extra_of(fields, "file", rest),
    )


def file_data_of(file_data: str | None) -> tuple[str | None, str | None]:
    """The media type and data. Plain text is canonical as it reads; what is not that stays as it came."""
    if file_data is None:
        return None, None
    media_type, data = split_data_url(file_data)
    if data is None:
        return None, file_data
    if media_type != "text/plain":
        return media_type, data
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeError):
        return None, file_data
    return (media_type, text) if write_data_url(media_type, text) == file_data else (None, file_data)


def split_data_url(url: str) -> tuple[str | None, str | None]:
    """The media type and the base64 of a `data:` address; nothing where it is another address."""
    if url[:5] != "data:":
        return None, None
    head, marked, data = url.partition(";base64,")
    media_type = head[5:]
    if not marked or not media_type or ";" in media_type or "," in media_type:
        return None, None
    return media_type, data


def take_cache(fields: Fields, path: str) -> CacheControl | None:
    """The caching mark that compatible servers understand. Another form of it stays where it is."""
    if "cache_control" not in fields:
        return None
    raw = fields["cache_control"]
    try:
        cache: _Cache = _read_cache(raw, path)
    except Malformed:
        return None
    del fields["cache_control"]
    return CacheControl(ttl=cache.ttl)


def put_cache(body: Body, cache: CacheControl | None, crossing: Crossing, prefix: str) -> None:
    if cache is None:
        return
    if crossing.own:
        body["cache_control"] = {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})
    else:
        crossing.drop(f"{prefix}cache_control")


_READERS: dict[str, Callable[[Fields, str], Part]] = {
    "text": _read_text_part,
    "image_url": _read_image_part,
    "file": _read_file_part,
    "refusal": _read_refusal_part,
}


def write_content(parts: Iterable[Part], crossing: Crossing) -> str | list[Any] | None:
    """`content` in its short form where that says as much; nothing for no parts."""
    bodies = [body for part in parts if (body := _write_part(part, crossing)) is not None]
    if len(bodies) == 1 and isinstance(bodies[0], dict) and bodies[0].keys() == {"type", "text"}:
        return str(bodies[0]["text"])
    return bodies or None


def _write_part(part: Part, crossing: Crossing) -> Body | Raw | None:
    write = _WRITERS.get(type(part))
    if write is None:
        crossing.drop(f"content.{type(part).__name__.lower()}")
        return None
    return write(part, crossing)


def _write_text(part: Text, crossing: Crossing) -> Body:
    body: Body = {"type": "text", "text": part.text}
    put_cache(body, part.cache, crossing, "content.")
    if part.extra:
        crossing.add_extra(body, part.extra, "content.")
    return body


def _write_image(part: Image, crossing: Crossing) -> Body | None:
    url = part.url if part.data is None else f"data:{part.media_type or 'image/png'};base64,{part.data}"
    if url is None:
        crossing.drop("content.image")
        return None
    body: Body = {"type": "image_url", "image_url": {"url": url}}
    if part.detail is not None:
        body["image_url"]["detail"] = part.detail
    put_cache(body, part.cache, crossing, "content.")
    crossing.add_extra(body, part.extra, "content.")
    return body


def _write_file(part: File, crossing: Crossing) -> Body | None:
    file: dict[str, str] = {}
    if part.data is not None:
        file["file_data"] = write_data_url(part.media_type, part.data)
    elif part.file_id is not None:
        file["file_id"] = part.file_id
    else:
        crossing.drop("content.file.url")
        return None
    if part.name is not None:
        file["filename"] = part.name
    body: Body = {"type": "file", "file": file}
    put_cache(body, part.cache, crossing, "content.")
    crossing.add_extra(body, part.extra, "content.")
    return body


def write_data_url(media_type: str | None, data: str) -> str:
    if media_type is None:
        return data
    if media_type == "text/plain":
        data = base64.b64encode(data.encode()).decode()
    return f"data:{media_type};base64,{data}"


def _write_refusal(part: Refusal, crossing: Crossing) -> Body:
    body: Body = {"type": "refusal", "refusal": part.text}
    crossing.add_extra(body, part.extra, "content.")
    return body


def _write_opaque(part: Opaque, crossing: Crossing) -> Raw | None:
    if part.format == FORMAT:
        return part.raw
    crossing.drop(f"content.{part.type}")
    return None


_WRITERS: dict[type, Callable[[Any, Crossing], Body | Raw | None]] = {
    Text: _write_text,
    Image: _write_image,
    File: _write_file,
    Refusal: _write_refusal,
    Opaque: _write_opaque,
}
