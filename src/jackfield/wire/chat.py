"""The canonical form of a conversation: what hooks see and what every translator goes through.

All values are immutable, and JSON that we do not act on stays encoded (`msgspec.Raw`), so a hook that fails half way
has changed nothing. `extra` keeps the fields that the canonical form has no name for, as the client's own format wrote
them:
they return in that same format and are reported as dropped in any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

_INNER_CAPITAL = re.compile(r"(?<!^)[A-Z]")

if TYPE_CHECKING:
    OptionalRaw = msgspec.Raw | None
else:
    # msgspec reads no `Raw` that is one of several types; what is not there is left out.
    OptionalRaw = msgspec.Raw

Extra = Mapping[str, msgspec.Raw]
NOTHING: Extra = MappingProxyType({})


def freeze(extra: Mapping[str, msgspec.Raw]) -> Extra:
    """A view that nobody can write to; who calls this keeps no other."""
    return MappingProxyType(extra) if extra else NOTHING


Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "stop_sequence", "refusal", "pause", "unknown"]


def _name_kind(name: str) -> str:
    return _INNER_CAPITAL.sub(r"_\g<0>", name).lower()


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag=_name_kind, tag_field="is"):
    """The parent of all canonical values: compared by content, changed only by `msgspec.structs.replace`.

    Encoded, each says by `is` what it is (`{"is": "text_delta", "text": "Hi"}`), and leaves out what is a default.
    """


class CacheControl(Value, frozen=True, kw_only=True):
    """A prompt-caching mark of the Anthropic format. `ttl` is `5m`, `1h` or `None` for the upstream's default."""

    ttl: str | None = None


class Item(Value, frozen=True, kw_only=True):
    """The item of the Responses format that a part or message was in: parts of one message are of an equal item."""

    id: str | None = None
    status: str | None = None


class Text(Value, frozen=True, kw_only=True):
    text: str
    cache: CacheControl | None = None
    item: Item | None = None
    extra: Extra = NOTHING


class Image(Value, frozen=True, kw_only=True):
    """Either `url`, or `data` (base64) with its `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
    cache: CacheControl | None = None
    extra: Extra = NOTHING


class File(Value, frozen=True, kw_only=True):
    """A document such as a PDF: `url`, `file_id`, or `data` (base64; plain text for `text/plain`) with its
    `media_type`."""

    url: str | None = None
    file_id: str | None = None
    data: str | None = None
    media_type: str | None = None
    name: str | None = None
    cache: CacheControl | None = None
    extra: Extra = NOTHING


class ToolCall(Value, frozen=True, kw_only=True):
    """`arguments` is JSON text as the model wrote it; it may be malformed."""

    id: str
    name: str
    arguments: str
    cache: CacheControl | None = None
    item: Item | None = None
    extra: Extra = NOTHING


class Thinking(Value, frozen=True, kw_only=True):
    """Reasoning text, or for `redacted` the opaque data that must return to its upstream unchanged. `verbatim` where
    the format tells reasoning from summaries of it, and this is no summary."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    verbatim: bool = False
    item: Item | None = None
    extra: Extra = NOTHING


class Refusal(Value, frozen=True, kw_only=True):
    text: str
    item: Item | None = None
    extra: Extra = NOTHING


class Opaque(Value, frozen=True, kw_only=True):
    """A content part of `format` that has no canonical meaning (audio, server tool results); `raw` is its JSON."""

    format: str
    type: str
    raw: msgspec.Raw


class ToolResult(Value, frozen=True, kw_only=True):
    tool_call_id: str
    parts: tuple[Text | Image | File | Opaque, ...]
    is_error: bool = False
    cache: CacheControl | None = None
    item: Item | None = None
    extra: Extra = NOTHING


Part = Text | Image | File | ToolCall | ToolResult | Thinking | Refusal | Opaque


class Message(Value, frozen=True, kw_only=True):
    """One turn. A tool result stands in a message of role `tool`, or of role `user` beside other parts."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    item: Item | None = None
    extra: Extra = NOTHING

    def text(self) -> str:
        parts = self.parts
        if len(parts) == 1 and type(parts[0]) is Text:
            return parts[0].text
        return "".join(part.text for part in parts if isinstance(part, Text))

    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


class Tool(Value, frozen=True, kw_only=True):
    """A function the model may call. `parameters` is its JSON Schema, encoded. A tool that the upstream itself runs
    (web search and the like) has `opaque` instead: its whole definition in the format named by `opaque_format`."""

    name: str
    description: str | None = None
    parameters: OptionalRaw = None
    strict: bool | None = None
    cache: CacheControl | None = None
    opaque: OptionalRaw = None
    opaque_format: str | None = None
    extra: Extra = NOTHING

    def schema(self) -> dict[str, Any]:
        """The parameters decoded afresh: changing what is returned changes nothing else."""
        return msgspec.json.decode(self.parameters, type=dict[str, Any]) if self.parameters is not None else {}


class ToolChoice(Value, frozen=True, kw_only=True):
    """`name` is set when `mode` is `tool`: that tool must be called."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


class ResponseFormat(Value, frozen=True, kw_only=True):
    """`text`, any JSON object, or JSON that fits `schema` (encoded JSON Schema)."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: OptionalRaw = None
    strict: bool | None = None
    extra: Extra = NOTHING


class Reasoning(Value, frozen=True, kw_only=True):
    """How much the model should think: an `effort` word, a token `budget`, or `enabled=False` for none."""

    enabled: bool = True
    effort: str | None = None
    budget: int | None = None
    extra: Extra = NOTHING


class ChatRequest(Value, frozen=True, kw_only=True):
    """A request for a completion. `format` names the wire format that `extra` fields belong to.

    `max_tokens` is `None` where the client set no limit; `user` is the client's own end-user id.
    """

    model: str
    messages: tuple[Message, ...]
    format: str = "canonical"
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    n: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    user: str | None = None
    stream: bool = False
    stream_usage: bool = False
    extra: Extra = NOTHING

    def last_user_text(self) -> str:
        for message in reversed(self.messages):
            if message.role == "user" and (text := message.text()):
                return text
        return ""

    def text(self) -> str:
        """Every text of every message, system messages included, one a line."""
        return "\n".join(text for message in self.messages if (text := message.text()))


class Usage(Value, frozen=True, kw_only=True):
    """Tokens. `input` counts everything read, cached parts included; `output` everything written, reasoning
    included."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


NO_USAGE = Usage()


class Choice(Value, frozen=True, kw_only=True):
    message: Message
    finish_reason: FinishReason | None = None
    stop_sequence: str | None = None
    index: int = 0
    extra: Extra = NOTHING


class ChatResponse(Value, frozen=True, kw_only=True):
    """A whole completion. `created` is in seconds since the epoch, `None` where the upstream did not say. `echo` is
    what the answer repeats of its request, as only some formats do."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: int | None = None
    format: str = "canonical"
    echo: Extra = NOTHING
    extra: Extra = NOTHING

    def text(self) -> str:
        return self.choices[0].message.text() if self.choices else ""

    def with_text(self, text: str) -> ChatResponse:
        """The same completion with the text of its first choice replaced; other parts stay as they are."""
        if not self.choices:
            return self
        first = self.choices[0]
        others = tuple(part for part in first.message.parts if not isinstance(part, Text))
        message = msgspec.structs.replace(first.message, parts=(Text(text=text), *others))
        return msgspec.structs.replace(
            self, choices=(msgspec.structs.replace(first, message=message), *self.choices[1:])
        )


class EmbeddingsRequest(Value, frozen=True, kw_only=True):
    """`input` stays encoded: a string, strings, or token ids."""

    model: str
    input: msgspec.Raw
    format: str = "canonical"
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None
    stream: bool = False
    extra: Extra = NOTHING

    def texts(self) -> tuple[str, ...]:
        """The texts to embed; empty where the input is token ids."""
        value: Any = msgspec.json.decode(self.input)
        items = value if isinstance(value, list) else [value]
        return tuple(item for item in items if isinstance(item, str))

    def last_user_text(self) -> str:
        texts = self.texts()
        return texts[-1] if texts else ""

    def text(self) -> str:
        return "\n".join(self.texts())


class EmbeddingsResponse(Value, frozen=True, kw_only=True):
    """Each of `data` is one embedding: its numbers, or base64 of little-endian float32, as the client asked."""

    model: str
    data: tuple[msgspec.Raw, ...]
    usage: Usage | None = None
    format: str = "canonical"
    extra: Extra = NOTHING

    def text(self) -> str:
        return ""


class TokenCount(Value, frozen=True, kw_only=True):
    """The answer to a token-count request. `estimated` where no upstream counted."""

    input: int
    estimated: bool = False

    @property
    def usage(self) -> Usage:
        return NO_USAGE

    def text(self) -> str:
        return ""


class ErrorResponse(Value, frozen=True, kw_only=True):
    """A refusal or failure as the client will see it, so that a response hook may look at it or answer instead."""

    status: int
    code: str
    message: str
    plugin: str | None = None

    @property
    def usage(self) -> Usage:
        return NO_USAGE

    def text(self) -> str:
        return ""


Request = ChatRequest | EmbeddingsRequest
Response = ChatResponse | EmbeddingsResponse | TokenCount | ErrorResponse


class StreamStart(Value, frozen=True, kw_only=True):
    id: str
    model: str
    created: int | None = None
    usage: Usage | None = None


class TextDelta(Value, frozen=True, kw_only=True):
    """`index` is the source's content-block index where it has one."""

    text: str
    choice: int = 0
    index: int = 0


class ThinkingDelta(Value, frozen=True, kw_only=True):
    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    verbatim: bool = False
    choice: int = 0
    index: int = 0


class RefusalDelta(Value, frozen=True, kw_only=True):
    text: str
    choice: int = 0


class ToolCallDelta(Value, frozen=True, kw_only=True):
    """A piece of one tool call. The first piece of a call carries `id` and `name`; `arguments` pieces add up to
    JSON."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    choice: int = 0


class Finish(Value, frozen=True, kw_only=True):
    reason: FinishReason
    stop_sequence: str | None = None
    choice: int = 0


class UsageReport(Value, frozen=True, kw_only=True):
    """Running totals; a later report replaces an earlier one field by field where it is not zero."""

    usage: Usage


class StreamEnd(Value, frozen=True, kw_only=True):
    pass


class StreamFailure(Value, frozen=True, kw_only=True):
    """The upstream reported an error inside the stream."""

    code: str
    message: str


class OpaqueEvent(Value, frozen=True, kw_only=True):
    """An event of `format` without canonical meaning; `raw` is its JSON data. One that is `structural` tells only where
    something begins or ends in its format: a translation loses nothing with it."""

    format: str
    type: str
    raw: msgspec.Raw
    structural: bool = False


ChatEvent = (
    StreamStart
    | TextDelta
    | ThinkingDelta
    | RefusalDelta
    | ToolCallDelta
    | Finish
    | UsageReport
    | StreamEnd
    | StreamFailure
    | OpaqueEvent
)
