"""Golden files: a folder a case, an input, and what must come of it.

With JACKFIELD_UPDATE_GOLDEN=1 the expectations are written anew; read the difference before it is kept.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from jackfield.wire.base import StreamDecoder, StreamEncoder
from jackfield.wire.chat import ChatEvent
from jackfield.wire.sse import EventReader

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
UPDATE = os.environ.get("JACKFIELD_UPDATE_GOLDEN") == "1"


def cases(folder: str, prefix: str) -> list[Path]:
    return sorted((GOLDEN / folder).glob(f"{prefix}*"))


def name_of(case: Path) -> str:
    return case.name


def check_json(file: Path, actual: Any) -> None:
    """Compares values, so that the files may be laid out for reading."""
    if UPDATE:
        file.write_text(json.dumps(actual, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert actual == json.loads(file.read_text(encoding="utf-8")), file


def check_bytes(file: Path, actual: bytes) -> None:
    if UPDATE:
        file.write_bytes(actual)
    assert actual == file.read_bytes(), file


def shown(value: Any) -> Any:
    """A canonical value as JSON: its class under `_`, and only the fields that differ from their default."""
    if isinstance(value, msgspec.Raw):
        return json.loads(bytes(value))
    if isinstance(value, msgspec.Struct):
        plain = type(value).__struct_defaults__
        names = value.__struct_fields__
        defaults = dict(zip(names[len(names) - len(plain) :], plain, strict=True))
        said = {name: getattr(value, name) for name in names}
        kept = {n: shown(v) for n, v in said.items() if n not in defaults or v != defaults[n]}
        return {"_": type(value).__name__, **kept}
    if isinstance(value, tuple | list):
        return [shown(item) for item in value]
    if hasattr(value, "items"):
        return {name: shown(item) for name, item in value.items()}
    return value


def decoded(decoder: StreamDecoder, stream: bytes) -> list[ChatEvent]:
    reader = EventReader()
    events = [e for sse in reader.feed(stream) for e in decoder.decode(sse.event, sse.data)]
    assert not reader.finish().strip()
    return events


def encoded(encoder: StreamEncoder, events: list[ChatEvent]) -> bytes:
    return b"".join(encoder.encode(event) for event in events)


def documents(stream: bytes) -> list[Any]:
    """The JSON of each event of a stream, its end mark aside."""
    events = EventReader().feed(stream)
    return [json.loads(e.data) for e in events if e.data and e.data != b"[DONE]"]
