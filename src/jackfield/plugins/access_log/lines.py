"""Visits as lines of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from jackfield.plugins.access_log.visit import Seen, Visit
from jackfield.sdk import Attempt, mask_text

LONGEST_PATH = 500
_UNPRINTABLE = re.compile(r'[^\x20-\x7e]|["\\]')

Format = Literal["json", "combined"]


def write_clients(visits: Iterable[Visit], form: Format) -> bytes:
    write = _write_json if form == "json" else _write_combined
    return b"".join(write(visit) for visit in visits)


def write_upstreams(visits: Iterable[Visit]) -> bytes:
    return b"".join(
        _encode(_describe_try(visit, seen, attempt))
        for visit in visits
        for seen in visit.exchanges
        for attempt in seen.attempts
    )


def _write_json(visit: Visit) -> bytes:
    told: dict[str, Any] = {
        "at": _stamp(visit.at),
        "kind": "client",
        "id": visit.request_id,
        "client": visit.client,
        "method": visit.verb,
        "path": _clean(visit.path),
        "status": visit.status,
        "bytes": visit.bytes,
        "ms": round(visit.ms, 3),
    }
    if visit.agent:
        told["user_agent"] = mask_text(visit.agent)
    return _encode(told | dict(_describe_exchanges(visit.exchanges)))


def _describe_exchanges(exchanges: list[Seen]) -> Iterator[tuple[str, Any]]:
    """What is unknown is left out. Where there were several, the last one says who answered; what was used is what all
    of them used."""
    if not exchanges:
        return
    last = exchanges[-1]
    for name in ("credential", "app", "provider", "upstream", "model", "error", "plugin"):
        if getattr(last, name) is not None:
            yield name, getattr(last, name)
    yield "stream", last.stream
    if exchanges[0].first_byte_ms is not None:
        yield "first_byte_ms", round(exchanges[0].first_byte_ms, 3)
    yield "attempts", sum(len(seen.attempts) for seen in exchanges)
    used = [seen.usage for seen in exchanges if seen.usage is not None]
    if used:
        yield "input_tokens", sum(usage.input for usage in used)
        yield "output_tokens", sum(usage.output for usage in used)
    costs = [seen.cost_usd for seen in exchanges if seen.cost_usd is not None]
    if costs:
        yield "cost_usd", round(sum(costs), 9)


def _describe_try(visit: Visit, seen: Seen, attempt: Attempt) -> dict[str, Any]:
    """Why it failed is for the logs: what an upstream says may repeat what was sent to it."""
    return {
        "at": _stamp(visit.at + attempt.at_ms / 1000),
        "kind": "upstream",
        "id": seen.id,
        "upstream": attempt.upstream,
        "model": attempt.model,
        "status": attempt.status,
        "ok": attempt.error is None,
        "ms": round(attempt.duration_ms, 3),
    }


def _write_combined(visit: Visit) -> bytes:
    at = datetime.fromtimestamp(visit.at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    user = visit.exchanges[-1].credential if visit.exchanges else None
    path, agent = _escape(_clean(visit.path)), _escape(mask_text(visit.agent)) or "-"
    asked = f'"{_escape(visit.verb)} {path} HTTP/1.1"'
    line = f'{visit.client or "-"} - {user or "-"} [{at}] {asked} {visit.status} {visit.bytes} "-" "{agent}"\n'
    return line.encode()


def _clean(path: str) -> str:
    return mask_text(path[:LONGEST_PATH])


def _escape(text: str) -> str:
    """As web servers do: one line stays one line, whatever was sent."""
    return _UNPRINTABLE.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in _bytes(found[0])), text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(told: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(told) + b"\n"
    except (UnicodeEncodeError, ValueError):
        told = {name: _escape(value) if isinstance(value, str) else value for name, value in told.items()}
        return msgspec.json.encode(told) + b"\n"
