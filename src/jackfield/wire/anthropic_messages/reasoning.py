"""How much to think: `thinking` and `output_config.effort`, both ways.

Models before 4.6 know only a budget of tokens; later ones think adaptively and are told an effort, and the
newest refuse a budget. What a client of this format wrote is kept as it is; for others the form follows the
model's name.
"""

from __future__ import annotations

import re
from typing import Any

from jackfield.wire.anthropic_messages.parts import read_kind
from jackfield.wire.chat import ChatRequest, Message, Reasoning, Thinking, freeze
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import NULL, Fields, read_count, wrong

DEFAULT_MAX_TOKENS = 4096
MIN_BUDGET = 1024

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 24576}
_EFFORTS = {"minimal": "low"}
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_ADAPTIVE_SINCE = (4, 6)

# Kept where an effort was given without `thinking`, which is not the same as adaptive thinking.
_EFFORT_ALONE = {"thinking": NULL}


def read_reasoning(thinking: Fields | None, effort: str | None) -> Reasoning | None:
    if thinking is None:
        return Reasoning(effort=effort, extra=_EFFORT_ALONE) if effort is not None else None
    fields = dict(thinking)
    kind = read_kind(fields, "thinking")
    if kind in ("enabled", "adaptive", "disabled"):
        del fields["type"]
    raw = fields.pop("budget_tokens", NULL)
    budget = None if raw == NULL else read_count(raw, "thinking.budget_tokens")
    if kind == "enabled" and budget is None:
        raise wrong("thinking.budget_tokens", "required")
    return Reasoning(enabled=kind != "disabled", effort=effort, budget=budget, extra=freeze(fields))


def add_reasoning(body: Body, request: ChatRequest, crossing: Crossing) -> None:
    """Adds the fields for `request.reasoning`, and makes room for them in the others."""
    reasoning = request.reasoning
    if reasoning is None:
        return
    if crossing.own:
        _add_own(body, reasoning)
    elif not reasoning.enabled or reasoning.effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif _forced(request):
        crossing.drop("reasoning_effort")
    else:
        _add_foreign(body, request, reasoning, crossing)


def _add_own(body: Body, reasoning: Reasoning) -> None:
    if reasoning.effort is not None:
        body.setdefault("output_config", {})["effort"] = reasoning.effort
    if "thinking" in reasoning.extra:
        return
    thinking: dict[str, Any] = {"type": "adaptive" if reasoning.enabled else "disabled"}
    if reasoning.budget is not None:
        thinking = {"type": "enabled", "budget_tokens": reasoning.budget}
    body["thinking"] = thinking | dict(reasoning.extra)


def _forced(request: ChatRequest) -> bool:
    """Whether a tool must be called, which the API refuses together with thinking."""
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def _add_foreign(body: Body, request: ChatRequest, reasoning: Reasoning, crossing: Crossing) -> None:
    crossing.add_extra(body, reasoning.extra, "reasoning.")
    if thinks_adaptively(request.model):
        body["thinking"] = {"type": "adaptive"}
        if (effort := reasoning.effort or _effort_of(reasoning.budget)) is not None:
            body.setdefault("output_config", {})["effort"] = _EFFORTS.get(effort, effort)
    elif not _add_budget(body, request, reasoning):
        crossing.drop("reasoning_effort")
        return
    for name in ("temperature", "top_k"):
        if body.pop(name, None) not in (None, 1.0):
            crossing.drop(name)


def _add_budget(body: Body, request: ChatRequest, reasoning: Reasoning) -> bool:
    """Whether a budget of tokens fits. The API demands that it is below `max_tokens`, and that a turn which
    goes on after a tool call begins with signed thinking, which other formats seldom carry."""
    if _resumes_unsigned(request.messages):
        return False
    budget = reasoning.budget or _BUDGETS.get(reasoning.effort or "medium", _BUDGETS["medium"])
    budget = max(budget, MIN_BUDGET)
    if request.max_tokens is None:
        body["max_tokens"] = budget + DEFAULT_MAX_TOKENS
    elif reasoning.budget is None or budget >= request.max_tokens:
        budget = min(budget, request.max_tokens // 2)  # the rest is for the answer
    if budget >= MIN_BUDGET:
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return budget >= MIN_BUDGET


def _resumes_unsigned(messages: tuple[Message, ...]) -> bool:
    for message in reversed(messages):
        if message.role == "user" and message.text():
            return False
        if message.role == "assistant" and message.tool_calls():
            return not any(isinstance(part, Thinking) and part.signature for part in message.parts)
    return False


def _effort_of(budget: int | None) -> str | None:
    if budget is None:
        return None
    return next((word for word, tokens in _BUDGETS.items() if word in _WORDS and budget <= tokens), "xhigh")


_WORDS = ("low", "medium", "high")


def thinks_adaptively(model: str) -> bool:
    """Whether a model takes adaptive thinking, by the version in its name; one without a version does not."""
    name = model.lower()
    found = _VERSION.search(name)
    if found is None:
        return "claude-mythos" in name or "claude-fable" in name
    return (int(found[1]), int(found[2] or 0)) >= _ADAPTIVE_SINCE
