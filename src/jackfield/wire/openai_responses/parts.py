"""Content parts, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Raw

from jackfield.wire.chat import File, Image, Opaque, Part, Refusal, Text
from jackfield.wire.crossing import Body, Crossing, extra_of
from jackfield.wire.json import (
    NULL,
    Fields,
    encoded,
    read_optional_text,
    read_text,
    read_text_or_fields_list,
    take,
)
from jackfield.wire.openai_chat.parts import file_data_of, split_data_url, write_data_url

FORMAT = "openai_responses"
# Objects whose fields the canonical form spreads out.
SPREAD = frozenset(
    {
        "incomplete_details",
        "input_tokens_details",
        "output_tokens_details",
        "stream_options",
        "text",
        "usage",
    }
)
# Lists that are nearly always empty, and then say nothing.
_USUALLY_EMPTY = ("annotations", "logprobs")
_EMPTY = Raw(b"[]")


def crossing_from(source: str) -> Crossing:
    return Crossing(source, FORMAT, SPREAD)


# What stands before the type of an opaque part that is within a message, and no item of its own.
WITHIN = "message."


def is_within(part: Part) -> bool:
    """Whether it is of what a message is made of."""
    if isinstance(part, Opaque):
        return part.format == FORMAT and part.type.startswith(WITHIN)
    return isinstance(part, Text | Refusal | Image | File)


def read_content(raw: Raw, path: str) -> tuple[Part, ...]:
    """`content` in its short or long form."""
    content = read_text_or_fields_list(raw, path)
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple([_read_part(fields, f"{path}[{index}]") for index, fields in enumerate(content)])


def _read_part(fields: Fields, path: str) -> Part:
    kind = read_text(fields.get("type", NULL), f"{path}.type")
    read = _READERS.get(kind)
    if read is not None:
        return read(fields, path)
    return Opaque(format=FORMAT, type=WITHIN + kind, raw=encoded(fields))


def _read_text_part(fields: Fields, path: str) -> Text:
    text = take(fields, "text", read_text, path)
    del fields["type"]
    for name in _USUALLY_EMPTY:
        if fields.get(name) == _EMPTY:
            del fields[name]
    return Text(text=text, extra=extra_of(fields, "", {}))


def _read_refusal_part(fields: Fields, path: str) -> Refusal:
    del fields["type"]
    return Refusal(text=take(fields, "refusal", read_text, path), extra=extra_of(fields, "", {}))


def _read_image_part(fields: Fields, path: str) -> Image:
    """A picture that the upstream keeps has no address: its `file_id` stays in `extra`. What is always said, `auto`, is
    what other formats say nothing for."""
    del fields["type"]
    url = read_optional_text(fields.pop("image_url", NULL), f"{path}.image_url")
    detail = read_optional_text(fields.pop("detail", NULL), f"{path}.detail")
    detail = None if detail == "auto" else detail
    if url is None:
        return Image(detail=detail, extra=extra_of(fields, "", {}))
    media_type, data = split_data_url(url)
    if data is None:
        return Image(url=url, detail=detail, extra=extra_of(fields, "", {}))
    return Image(data=data, media_type=media_type, detail=detail, extra=extra_of(fields, "", {}))


def _read_file_part(fields: Fields, path: str) -> File:
    del fields["type"]
    told = {
        name: read_optional_text(fields.pop(name, NULL), f"{path}.{name}")
        for name in ("file_data", "file_id", "file_url", "filename")
    }
    media_type, data = file_data_of(told["file_data"])
    return File(
        url=told["file_url"],
        file_id=told["file_id"],
        data=data,
        media_type=media_type,
        name=told["filename"],
        extra=extra_of(fields, "", {}),
    )


_READERS: dict[str, Callable[[Fields, str], Part]] = {
    "input_text": _read_text_part,
    "output_text": _read_text_part,
    "text": _read_text_part,
    "refusal": _read_refusal_part,
    "input_image": _read_image_part,
    "input_file": _read_file_part,
}


def write_input(parts: Iterable[Part], crossing: Crossing) -> str | list[Any]:
    """The content of a message that no model wrote, or of a tool's result."""
    bodies = [body for part in parts if (body := write_part(part, crossing)) is not None]
    if len(bodies) == 1 and isinstance(bodies[0], dict) and bodies[0].keys() == {"type", "text"}:
        return str(bodies[0]["text"])
    return bodies or ""


def write_part(part: Part, crossing: Crossing) -> Body | Raw | None:
    write = _WRITERS.get(type(part))
    if write is None:
        crossing.drop(f"content.{type(part).__name__.lower()}")
        return None
    return write(part, crossing)


def _write_text(part: Text, crossing: Crossing) -> Body:
    body: Body = {"type": "input_text", "text": part.text}
    return _finish(body, part, crossing)


def write_output_text(part: Text, crossing: Crossing) -> Body:
    body: Body = {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}
    return _finish(body, part, crossing)


def write_refusal(part: Refusal, crossing: Crossing) -> Body:
    body: Body = {"type": "refusal", "refusal": part.text}
    crossing.add_extra(body, part.extra, "content.")
    return body


def _write_image(part: Image, crossing: Crossing) -> Body | None:
    url = part.url if part.data is None else write_data_url(part.media_type or "image/png", part.data)
    if url is None and not crossing.own:
        crossing.drop("content.image")
        return None
    body: Body = {"type": "input_image", "detail": part.detail or "auto"}
    if url is not None:
        body["image_url"] = url
    return _finish(body, part, crossing)


def _write_file(part: File, crossing: Crossing) -> Body:
    body: Body = {"type": "input_file"}
    if part.data is not None:
        body["file_data"] = write_data_url(part.media_type, part.data)
    if part.file_id is not None:
        body["file_id"] = part.file_id
    if part.url is not None:
        body["file_url"] = part.url
    if part.name is not None:
        body["filename"] = part.name
    return _finish(body, part, crossing)


def _finish(body: Body, part: Text | Image | File, crossing: Crossing) -> Body:
    if part.cache is not None:
        crossing.drop("content.cache_control")
    if part.extra:
        crossing.add_extra(body, part.extra, "content.")
    return body


def _write_opaque(part: Opaque, crossing: Crossing) -> Raw | None:
    if part.format == FORMAT:
        return part.raw
    crossing.drop(f"content.{part.type}")
    return None


_WRITERS: dict[type, Callable[[Any, Crossing], Body | Raw | None]] = {
    Text: _write_text,
    Refusal: write_refusal,
    Image: _write_image,
    File: _write_file,
    Opaque: _write_opaque,
}
