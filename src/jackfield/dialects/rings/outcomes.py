"""From what a ring plugin returned and left in its context to an outcome of ours."""

from __future__ import annotations

from typing import Any

import msgspec

from jackfield.dialects.rings.answers import RingResponse, content_of, read_answer, read_edit, read_fields, reject
from jackfield.dialects.rings.bodies import clean, encode, public_part, read_request, write_inbound
from jackfield.dialects.rings.context import RingRequest, Saved, overlay_of
from jackfield.dialects.rings.metadata import endpoint_id
from jackfield.dialects.rings.names.plugin_engine import PluginContext
from jackfield.dialects.rings.names.plugin_sdk import PluginAction, PluginHook, PluginResponse, block_status, text_of
from jackfield.sdk.context import Candidate, Exchange
from jackfield.sdk.outcomes import Answer, Outcome, Reject, Replace

BLOCK_CODE = "plugin_block"
BLOCK_MESSAGE = "Blocked by plugin"


def note_result(context: PluginContext, result: PluginResponse) -> None:
    """Writes a result into the context, as a plugin without results would have done."""
    if result.action == PluginAction.BLOCK:
        # What was put into it since it was made has not been looked at.
        context.stop_chain, context.error = True, text_of(result.message) or BLOCK_MESSAGE
        context.metadata["_block_status"] = block_status(result.status_code)
        context.metadata["_block_error_type"] = text_of(result.error_type) or BLOCK_CODE
    elif result.action == PluginAction.MODIFY:
        if result.body:
            context.body = result.body
        if result.message:
            context.metadata["_plugin_message"] = result.message
    elif result.action == PluginAction.CACHE_HIT:
        context.response = result.response
        context.metadata["_cache_hit"] = True


def conclude(shared: RingRequest, saved: Saved, exchange: Exchange, ring: PluginHook) -> Outcome | None:
    """The outcome of a call whose result is noted. Raises what tells that the plugin left nonsense."""
    context = shared.context
    if not isinstance(context.body, dict) or not isinstance(context.metadata, dict):
        raise TypeError("ctx.body and ctx.metadata must be dictionaries")
    public = public_part(context.body)
    if ring is PluginHook.BACKGROUND:
        outcome: Outcome | None = None
    elif context.stop_chain and (context.error or context.response is saved.response):
        outcome = _blocked(context)
    elif ring is PluginHook.POST_FLIGHT:
        outcome = _edited(shared, saved, exchange, public)
    elif context.response is not None:
        outcome = _answered(context.response, exchange)
    else:
        outcome = _changed(shared, saved, exchange, ring, public)
    shared.leave(public, _given(outcome, ring))
    return outcome


def _given(outcome: Outcome | None, ring: PluginHook) -> object:
    """What the exchange will hold from now on, by which it is known again."""
    if not isinstance(outcome, Replace) or isinstance(outcome.value, tuple):
        return None
    return outcome.value.body if ring is PluginHook.INGRESS else outcome.value


def _blocked(context: PluginContext) -> Reject:
    metadata = context.metadata
    code = text_of(metadata.get("_block_error_type")) or BLOCK_CODE
    message = text_of(context.error) or BLOCK_MESSAGE
    return reject(metadata.get("_block_status"), code, message, metadata.get("_retry_after"))


def _answered(given: Any, exchange: Exchange) -> Outcome:
    answer = read_answer(given, exchange)
    return answer if isinstance(answer, Reject) else Answer(answer)


def _changed(shared: RingRequest, saved: Saved, exchange: Exchange, ring: PluginHook, public: bytes) -> Outcome | None:
    """A new request where the body was changed, or holds what must not go upstream; else, in routing, another order."""
    original = shared.request
    if original is None:
        return None
    if public != saved.public:
        request = read_request(public, original)
    elif not shared.is_clean():
        request = clean(original)
    else:
        return _preferred(shared.context, exchange) if ring is PluginHook.ROUTING else None
    if ring is not PluginHook.INGRESS:
        return Replace(request)
    inbound = exchange.inbound
    if not inbound.body:
        return None  # asked of the gateway itself, with nothing to change
    return Replace(msgspec.structs.replace(inbound, body=write_inbound(exchange, request)))


def _preferred(context: PluginContext, exchange: Exchange) -> Outcome | None:
    """The candidates with the one first that a plugin chose as `target_endpoint`, where it is one of them."""
    target = str(endpoint_id(context.metadata.get("target_endpoint")))
    candidates = exchange.candidates
    if not candidates or candidates[0].upstream == target:
        return None
    chosen = tuple(candidate for candidate in candidates if candidate.upstream == target)
    return Replace((*chosen, *_others(candidates, target))) if chosen else None


def _others(candidates: tuple[Candidate, ...], target: str) -> tuple[Candidate, ...]:
    return tuple(candidate for candidate in candidates if candidate.upstream != target)


def _edited(shared: RingRequest, saved: Saved, exchange: Exchange, public: bytes) -> Outcome | None:
    original = exchange.response
    if original is None:
        return None
    edit = _response_edit(shared, saved, public)
    if edit is None:
        return None
    read = read_edit(edit, exchange, original)
    if isinstance(read, Reject):
        return read
    return Replace(read) if read != original else None


def _response_edit(shared: RingRequest, saved: Saved, public: bytes) -> Any:
    """What is to be sent now, where a plugin changed the response or what is laid over the body of it."""
    context = shared.context
    response = context.response
    if response is not saved.response or (response.status_code, response.body) != saved.answer:
        context.response = _shown(response)
        return response
    if public == saved.public:
        return None
    before, after = overlay_of(read_fields(saved.public)), overlay_of(context.body)
    if encode(before) == encode(after) or "choices" not in after:
        return None
    response.body = encode(read_fields(content_of(response)[1]) | after)
    return response


def _shown(response: Any) -> Any:
    """As the next plugin sees it: as it was assigned where that is a response, else as one."""
    if hasattr(response, "body") and hasattr(response, "status_code"):
        return response
    status, body = content_of(response)
    return RingResponse(status, body, {})
