"""What a hook answered, between `jackfield.plugin.v1` and the JSON that `guests.outcomes` reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.values import given, present, read_headers, write_headers

_encode = msgspec.json.encode
_OPTIONAL = ("user", "app", "credential")


def read_outcome(reply: pb.Outcome) -> bytes | None:
    """Raises `ValueError` where there is no JSON in a place for JSON."""
    kind = reply.WhichOneof("kind")
    if kind is None:
        return None
    try:
        return _encode({"is": kind, **_READERS[kind](getattr(reply, kind))})
    except msgspec.MsgspecError as error:
        raise ValueError(f"its outcome is not understood: {error}") from error


def _read_reject(told: pb.Reject) -> dict[str, Any]:
    found = {"status": told.status, "code": told.code, "message": told.message}
    return found | present(told, "retry_after_s")


def _read_replace(told: pb.Replace) -> dict[str, Any]:
    name = told.WhichOneof("value")
    if name is None:
        return {}
    value = getattr(told, name)
    if isinstance(value, bytes):
        return {name.removesuffix("_json"): _raw(value)}
    names = [field.name for field in value.DESCRIPTOR.fields if field.name != "headers"]
    return {name: {**{at: getattr(value, at) for at in names}, "headers": read_headers(value.headers)}}


def _raw(data: bytes) -> msgspec.Raw:
    """As it is; whoever reads the whole reads it too."""
    msgspec.json.decode(data, type=msgspec.Raw)
    return msgspec.Raw(data)


def _read_answer(told: pb.Answer) -> dict[str, Any]:
    return {"response": _raw(told.response_json)}


def _read_identity(told: pb.Identity) -> dict[str, Any]:
    found: dict[str, Any] = present(told, *_OPTIONAL)
    found |= {name: value for name in ("namespace", "role") if (value := getattr(told, name))}
    if told.models:
        found["models"] = list(told.models)
    return found | ({"claims": _raw(told.claims_json)} if told.claims_json else {})


_READERS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "reject": _read_reject,
    "replace": _read_replace,
    "answer": _read_answer,
    "drop": lambda told: {},
    "identity": _read_identity,
}


def write_outcome(data: bytes | None) -> pb.Outcome:
    """Of JSON with an `is`."""
    if data is None:
        return pb.Outcome()
    told: dict[str, Any] = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    kind: str = msgspec.json.decode(told.pop("is"))
    outcome: pb.Outcome = _WRITERS[kind](told)
    return outcome


def _write_reject(told: Mapping[str, Any]) -> pb.Outcome:
    found = _decoded(told)
    return pb.Outcome(reject=pb.Reject(**given(found, "status", "code", "message", "retry_after_s")))


def _write_replace(told: Mapping[str, Any]) -> pb.Outcome:
    ((name, raw),) = told.items()
    kind = {"inbound": pb.Inbound, "outgoing": pb.Outgoing, "head": pb.Head}.get(name)
    if kind is None:
        field: dict[str, Any] = {f"{name}_json": bytes(raw)}
        return pb.Outcome(replace=pb.Replace(**field))
    value = msgspec.json.decode(raw, type=dict[str, Any])
    if "body" in value:
        value["body"] = msgspec.json.decode(msgspec.json.encode(value["body"]), type=bytes)
    value["headers"] = write_headers(value.get("headers", ()))
    return pb.Outcome(replace=pb.Replace(**{name: kind(**value)}))


def _write_identity(told: Mapping[str, Any]) -> pb.Outcome:
    found = _decoded(told)
    claims = bytes(told["claims"]) if "claims" in told else b""
    plain = given(found, *_OPTIONAL, "namespace", "role")
    return pb.Outcome(identity=pb.Identity(**plain, models=sorted(found.get("models", ())), claims_json=claims))


def _decoded(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: msgspec.json.decode(raw) for name, raw in told.items()}


_WRITERS: Mapping[str, Callable[[Mapping[str, Any]], pb.Outcome]] = {
    "reject": _write_reject,
    "replace": _write_replace,
    "answer": lambda told: pb.Outcome(answer=pb.Answer(response_json=bytes(told["response"]))),
    "drop": lambda told: pb.Outcome(drop=pb.Drop()),
    "identity": _write_identity,
}
