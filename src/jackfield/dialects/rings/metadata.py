"""`ctx.metadata`: what the host tells ring plugins of a request, each entry as soon as it is known.

What is not known is absent, so that a plugin's own default counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import time
from typing import Any

from jackfield.dialects.rings.world import RingWorld
from jackfield.sdk.context import Attempt, Exchange
from jackfield.sdk.outcomes import Identity
from jackfield.wire.chat import ChatResponse, Usage

Metadata = dict[str, Any]

PREFIX_LENGTH = 8


def begin(exchange: Exchange, rotator: object, body: dict[str, Any]) -> Metadata:
    """What is known from the first byte on. `_expected_schema` is taken from a header, or from the body's field."""
    inbound = exchange.inbound
    metadata: Metadata = {
        "req_id": exchange.id,
        "rotator": rotator,
        "_cache_control": inbound.header("cache-control") or "",
        "_request_start_time": exchange.at,
        "_cache_status": "MISS",
        "_budget_saturated": False,
    }
    schema = inbound.header("x-expected-schema") or body.get("_expected_schema")
    if schema:
        metadata["_expected_schema"] = schema
    if exchange.synthetic:
        metadata["_health_check"] = True
    return metadata


def tell_caller(metadata: Metadata, identity: Identity) -> None:
    """The credential's id stands for the key; the key itself is nowhere."""
    credential = identity.credential or identity.user or identity.app or ""
    metadata["api_key"], metadata["_key_prefix"] = credential, credential[:PREFIX_LENGTH]
    metadata["_user_roles"] = _roles(identity)
    tier = identity.claims.get("tier")
    if tier:
        metadata["_tenant_tier"] = tier


def _roles(identity: Identity) -> list[str]:
    claimed = identity.claims.get("roles")
    named: Iterable[Any] = (claimed,) if isinstance(claimed, str) else claimed or ()
    return list(dict.fromkeys([str(role) for role in named] + [identity.role]))


def tell_candidates(metadata: Metadata, exchange: Exchange) -> None:
    candidates = exchange.candidates
    if not candidates:
        return
    if len({candidate.provider for candidate in candidates}) == 1:
        metadata["_resolved_provider"] = candidates[0].provider
    model = exchange.model
    if all(candidate.model != model for candidate in candidates):
        metadata["_model_alias"] = model


def tell_answer(metadata: Metadata, exchange: Exchange, world: RingWorld) -> None:
    """Who served it, and when."""
    served = _served(exchange)
    if served is not None:
        _tell_upstream(metadata, exchange, served, world)
    elif not exchange.attempts and isinstance(exchange.response, ChatResponse):
        metadata["_cache_status"] = "HIT"
    metadata["duration"] = time() - exchange.at
    if exchange.stream and exchange.usage is not None:
        _tell_stream(metadata, exchange, exchange.usage, world)


def tell_end(metadata: Metadata, exchange: Exchange, world: RingWorld) -> None:
    """Final times and cost."""
    tell_answer(metadata, exchange, world)
    timings = exchange.timings
    if timings is not None:
        metadata["duration"] = timings.total / 1000
    if exchange.stream and exchange.cost_usd is not None:
        metadata["_stream_cost_usd"] = exchange.cost_usd


def _served(exchange: Exchange) -> Attempt | None:
    return next((attempt for attempt in reversed(exchange.attempts) if attempt.status == 200), None)


def _tell_upstream(metadata: Metadata, exchange: Exchange, served: Attempt, world: RingWorld) -> None:
    if str(endpoint_id(metadata.get("target_endpoint"))) != served.upstream:
        metadata["target_endpoint"] = world.endpoint(served.upstream) or served.upstream
    metadata["_provider"] = _provider(exchange, served)
    metadata["_resolved_provider"] = metadata["_provider"]
    ttft_ms = served.at_ms + served.duration_ms
    metadata["ttft_ms"], metadata["_ttft_time"] = ttft_ms, exchange.at + ttft_ms / 1000


def _provider(exchange: Exchange, served: Attempt) -> str:
    return next((known.provider for known in exchange.candidates if known.upstream == served.upstream), "")


def _tell_stream(metadata: Metadata, exchange: Exchange, usage: Usage, world: RingWorld) -> None:
    metadata["_stream_usage"] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
    }
    served = _served(exchange)
    if served is not None:
        cost = world.cost_usd(_provider(exchange, served), served.model, usage)
        if cost is not None:
            metadata["_stream_cost_usd"] = cost


def endpoint_id(target: object) -> object:
    """The name of the upstream that a plugin chose: an endpoint of the pool, its fields, or its name."""
    if isinstance(target, dict):
        return target.get("id")
    return getattr(target, "id", target)
