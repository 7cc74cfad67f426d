"""What an agent is asked, as a client writes it: read, and told as the chat request that it stands for."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from jackfield.agents.bounds import Bounds
from jackfield.agents.selection import EVERY, Patterns
from jackfield.errors import Malformed
from jackfield.hooks.caller import CONVERSATION_HEADER
from jackfield.sdk.agents import MOST_TURNS, AgentSpec
from jackfield.sdk.context import InboundRequest

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    turns: Annotated[int, Meta(ge=1, le=MOST_TURNS)] | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None
    tokens: Annotated[int, Meta(ge=1)] | None = None
    usd: Annotated[float, Meta(gt=0)] | None = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/agents/{id}`: `input` or `messages`, these as in the OpenAI chat format."""

    model: Name | None = None
    input: str | None = None
    messages: Raw | UnsetType = UNSET
    stream: bool = False
    user: Name | None = None
    conversation: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")] | None = None
    tools: tuple[Name, ...] | None = None
    limits: Limits = Limits()

    @property
    def wanted(self) -> Patterns:
        return EVERY if self.tools is None else self.tools

    def bounds(self, spec: AgentSpec, timeout_s: float) -> Bounds:
        """Nobody gets more than the agent allows."""
        limits = self.limits
        return Bounds(
            turns=min(limits.turns or MOST_TURNS, spec.max_turns),
            seconds=min(limits.seconds or timeout_s, timeout_s),
            tokens=limits.tokens,
            usd=limits.usd,
        )

    def as_chat(self, inbound: InboundRequest, spec: AgentSpec) -> InboundRequest:
        """The same as a chat request, which is what hooks see of it. Raises `Malformed`."""
        body: dict[str, Any] = {"model": self._model(spec), "messages": [*_instructions(spec), *self._messages()]}
        if self.stream:
            body["stream"] = True
        if self.user is not None:
            body["user"] = self.user
        headers = inbound.headers
        if self.conversation is not None:
            headers = ((CONVERSATION_HEADER, self.conversation.encode("ascii")), *headers)
        return msgspec.structs.replace(inbound, headers=headers, body=msgspec.json.encode(body))

    def _model(self, spec: AgentSpec) -> str:
        model = self.model or spec.model
        if model is None:
            raise Malformed(f"model: required, for the agent {spec.id} has none of its own", param="model")
        return model

    def _messages(self) -> list[Any]:
        if (self.input is None) == (self.messages is UNSET):
            raise Malformed("input: expected either input or messages", param="input")
        if self.messages is UNSET:
            return [{"role": "user", "content": self.input}]
        messages = _decode(self.messages, list[Raw], "messages")
        if not messages:
            raise Malformed("messages: expected at least one message", param="messages")
        return list(messages)


def read_asked(body: bytes) -> Asked:
    """Raises `Malformed`."""
    asked: Asked = _decode(body, Asked, "")
    return asked


def _instructions(spec: AgentSpec) -> list[dict[str, str]]:
    return [{"role": "system", "content": spec.instructions}] if spec.instructions else []


def _decode(data: Any, kind: Any, path: str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        told, _, place = str(error).partition(" - at `$")
        field = (path + place.rstrip("`")).lstrip(".") or None
        raise Malformed(f"{field}: {told}" if field else f"the body: {told}", param=field) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"{path or 'the body'}: no JSON: {error}") from error
