"""What OpenAI's two formats of conversations share and no other has: it crosses from one to the other though the
canonical form has no name for it. Anthropic's format knows two of these fields, by other names or words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from jackfield.wire.chat import ChatRequest, Choice, Extra, Text, freeze
from jackfield.wire.crossing import Body
from jackfield.wire.json import NULL, Fields

CHAT, RESPONSES, ANTHROPIC = "openai_chat", "openai_responses", "anthropic_messages"
_FAMILY = frozenset((CHAT, RESPONSES, ANTHROPIC))
TEXT_LOGPROBS = "message.output_text.logprobs"
_SAME = ("moderation", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "top_logprobs")
# Tiers that mean the same to the one and to the other; `auto` is what both do where nothing is said.
_TO_ANTHROPIC: Mapping[str, str] = {"default": "standard_only"}
_FROM_ANTHROPIC = {theirs: ours for ours, theirs in _TO_ANTHROPIC.items()}
_TIERS_OF_CHAT = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def share_fields(request: ChatRequest, target: str) -> tuple[Body, Extra]:
    """What a request to `target` takes of the `extra` of another format, and what has no place there."""
    if request.format == target or not request.extra:
        return {}, request.extra
    rest = {name: raw for name, raw in request.extra.items() if raw != NULL}
    body: Body = {}
    _forget_not_stored(rest)
    if target not in _FAMILY:
        return body, freeze(rest)
    _take_tier(body, rest, request.format, target)
    if target == ANTHROPIC:
        if request.user is None and "safety_identifier" in rest:
            body["metadata"] = {"user_id": rest.pop("safety_identifier")}
    elif request.format == CHAT:
        _share_with_responses(body, rest)
    elif request.format == RESPONSES:
        _share_with_chat(body, rest)
    return body, freeze(rest)


def _take_tier(body: Body, rest: Fields, source: str, target: str) -> None:
    tier = _text_of(rest.get("service_tier", NULL))
    if ANTHROPIC in (source, target):
        if tier == "auto":
            del rest["service_tier"]
        tier = (_FROM_ANTHROPIC if source == ANTHROPIC else _TO_ANTHROPIC).get(tier, "")
    elif target == CHAT and tier not in _TIERS_OF_CHAT:
        return
    if tier:
        del rest["service_tier"]
        body["service_tier"] = tier


def _share_with_responses(body: Body, rest: Fields) -> None:
    _take_same(body, rest, (*_SAME, "metadata", "prompt_cache_options"))
    if "verbosity" in rest:
        body["text"] = {"verbosity": rest.pop("verbosity")}
    if (wanted := rest.pop("logprobs", None)) == Raw(b"true"):
        body["include"] = [TEXT_LOGPROBS]
    elif wanted is not None and wanted != Raw(b"false"):
        rest["logprobs"] = wanted


def _share_with_chat(body: Body, rest: Fields) -> None:
    """Metadata stays behind: that API takes it only with what it is to store."""
    _take_same(body, rest, _SAME)
    if "text.verbosity" in rest:
        body["verbosity"] = rest.pop("text.verbosity")
    included = _texts_of(rest.get("include", NULL))
    if TEXT_LOGPROBS in included or "top_logprobs" in body:
        body["logprobs"] = True
    if included and set(included) <= {TEXT_LOGPROBS}:
        del rest["include"]


def _take_same(body: Body, rest: Fields, names: tuple[str, ...]) -> None:
    body |= {name: rest.pop(name) for name in names if name in rest}


def _forget_not_stored(rest: Fields) -> None:
    """Nothing is stored unless it is asked for, so that who asks for nothing loses nothing."""
    if rest.get("store") == Raw(b"false"):
        del rest["store"]


def _text_of(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""


def _texts_of(raw: Raw) -> list[str]:
    try:
        return msgspec.json.decode(raw, type=list[str])
    except (msgspec.DecodeError, UnicodeError):
        return []


def lift_logprobs(choice: Choice) -> tuple[Choice, Body | None]:
    """Of an answer in the Responses format: the choice without its log probabilities, and these as the chat format has
    them."""
    found: list[Any] = []
    parts = []
    for part in choice.message.parts:
        if isinstance(part, Text) and "logprobs" in part.extra:
            found += _list_of(part.extra["logprobs"])
            extra = {name: raw for name, raw in part.extra.items() if name != "logprobs"}
            part = replace(part, extra=freeze(extra))
        parts.append(part)
    if not found:
        return choice, None
    message = replace(choice.message, parts=tuple(parts))
    return replace(choice, message=message), {"content": found, "refusal": None}


class _ChatLogprobs(msgspec.Struct):
    content: list[Raw] | None = None


def lower_logprobs(extra: Extra, output: list[Any]) -> Extra:
    """Puts what the chat format says of log probabilities into the answer's first text; the rest of `extra`."""
    text = next(
        (
            part
            for item in output
            if isinstance(item, dict) and item.get("type") == "message"
            for part in item["content"]
            if isinstance(part, dict) and part.get("type") == "output_text"
        ),
        None,
    )
    try:
        told = msgspec.json.decode(extra.get("logprobs", NULL), type=_ChatLogprobs | None)
    except msgspec.DecodeError:
        return extra
    if text is None or told is None or not told.content:
        return extra
    text["logprobs"] = told.content
    return freeze({name: raw for name, raw in extra.items() if name != "logprobs"})


def _list_of(raw: Raw) -> list[Raw]:
    try:
        return msgspec.json.decode(raw, type=list[Raw])
    except msgspec.DecodeError:
        return []


def share_tier(extra: Extra, source: str, target: str) -> tuple[Body, Extra]:
    """The tier that an answer was served at, where both formats tell it."""
    if {source, target} != {CHAT, RESPONSES} or extra.get("service_tier", NULL) == NULL:
        return {}, extra
    rest = {name: raw for name, raw in extra.items() if name != "service_tier"}
    return {"service_tier": extra["service_tier"]}, freeze(rest)
