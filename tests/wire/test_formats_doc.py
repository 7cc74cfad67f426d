"""docs/reference/formats.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from anthropic.types.message_create_params import MessageCreateParamsBase, MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsBase, CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsBase, ResponseCreateParamsStreaming

from jackfield.wire import FORMATS, format_named
from jackfield.wire.base import Encoded, WireFormat
from jackfield.wire.chat import ChatResponse, Choice, FinishReason, Message

from .format_samples import ANTHROPIC_REQUESTS, ANTHROPIC_RESPONSES, OPENAI_REQUESTS, OPENAI_RESPONSES, Body
from .responses_samples import RESPONSES_REQUESTS, RESPONSES_RESPONSES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "formats.md"
ROW = re.compile(r"^\| `(?P<field>[^`]+)` \| (?P<dropped>dropped as )?`(?P<name>[^`]+)` \| .*\|$", re.MULTILINE)
SIDES = {
    "OpenAI chat": "openai_chat",
    "OpenAI Responses": "openai_responses",
    "Anthropic messages": "anthropic_messages",
}
BODIES = {
    "Requests": (OPENAI_REQUESTS, RESPONSES_REQUESTS, ANTHROPIC_REQUESTS),
    "Responses": (OPENAI_RESPONSES, RESPONSES_RESPONSES, ANTHROPIC_RESPONSES),
}
SAMPLES = {
    f"{kind}: {source} to {target}": samples
    for kind, bodies in BODIES.items()
    for source, samples in zip(SIDES, bodies, strict=True)
    for target in SIDES
    if target != source
}


def section(title: str) -> str:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def rows() -> list[Any]:
    return [
        pytest.param(title, row["field"], row["name"], bool(row["dropped"]), id=f"{title} {row['field']}")
        for title in SAMPLES
        for row in ROW.finditer(section(title))
    ]


def translated(title: str, body: Body) -> Encoded:
    kind, _, sides = title.partition(": ")
    source, target = (format_named(SIDES[side]) for side in sides.split(" to "))
    raw = json.dumps(body).encode()
    if kind == "Requests":
        return target.encode_request(source.decode_request(raw))
    return target.encode_response(source.decode_response(raw))


def values_at(value: Any, path: str) -> list[Any]:
    """Everything in a body that a path like `messages[].content[].text` leads to."""
    found = [value]
    for step in path.split("."):
        name = step.removesuffix("[]")
        found = [item[name] for item in found if isinstance(item, dict) and item.get(name) is not None]
        if step != name:
            found = [inner for item in found if isinstance(item, list) for inner in item]
    return found


@pytest.mark.parametrize(("title", "field", "name", "dropped"), rows())
def test_a_row_says_what_becomes_of_its_field(title: str, field: str, name: str, dropped: bool) -> None:
    written = translated(title, SAMPLES[title][field])
    if dropped:
        assert written.dropped == (name,)
    else:
        assert written.dropped == ()
        assert values_at(json.loads(written.body), name)


@pytest.mark.parametrize("title", SAMPLES)
def test_every_sample_has_its_row(title: str) -> None:
    assert {row["field"] for row in ROW.finditer(section(title))} == set(SAMPLES[title])


PARAMS: dict[str, tuple[type[Any], ...]] = {
    "OpenAI chat": (CompletionCreateParamsBase, CompletionCreateParamsStreaming),
    "OpenAI Responses": (ResponseCreateParamsBase, ResponseCreateParamsStreaming),
    "Anthropic messages": (MessageCreateParamsBase, MessageCreateParamsStreaming),
}
# The conversation itself is in rows of its own, by what is in it.
CONVERSATION = {"messages", "input"}


@pytest.mark.parametrize("title", [title for title in SAMPLES if title.startswith("Requests")])
def test_every_field_that_the_official_package_knows_has_a_row(title: str) -> None:
    source = title.removeprefix("Requests: ").partition(" to ")[0]
    fields = {name for params in PARAMS[source] for name in params.__annotations__}
    rows = {re.split(r"\W", row["field"])[0] for row in ROW.finditer(section(title))}
    assert fields - CONVERSATION - rows == set()


def finish_written(target: WireFormat, reason: FinishReason, path: str) -> list[Any]:
    choice = Choice(message=Message(role="assistant", parts=()), finish_reason=reason)
    response = ChatResponse(id="r", model="m", choices=(choice,))
    return values_at(json.loads(target.encode_response(response).body), path)


def test_finish_reasons_are_written_as_told() -> None:
    row = re.compile(r"^\| `(\w+)` \| (`\w+` \| `\w+` \| `\w+`) \|$", re.MULTILINE)
    told = dict(row.findall(section("Finish reasons")))
    assert set(told) == set(get_args(FinishReason))
    for reason in get_args(FinishReason):
        openai = finish_written(format_named("openai_chat"), reason, "choices[].finish_reason")
        anthropic = finish_written(format_named("anthropic_messages"), reason, "stop_reason")
        responses = format_named("openai_responses")
        (status,) = finish_written(responses, reason, "status")
        (word,) = finish_written(responses, reason, "incomplete_details.reason") or [status]
        assert told[reason] == f"`{openai[0]}` | `{anthropic[0]}` | `{word}`"


def test_every_format_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| `/v1/[\w/]+` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(listed) == {name: format_named(name).operation for name in FORMATS.names}
