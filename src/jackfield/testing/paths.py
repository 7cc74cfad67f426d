"""Which API a path of an upstream belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jackfield.testing import anthropic_speech, openai_speech
from jackfield.testing.anthropic_speech import AnthropicErrors, AnthropicMessages, AnthropicTokenCount
from jackfield.testing.openai_speech import OpenAIChat, OpenAIEmbeddings, OpenAIErrors
from jackfield.testing.received import Received
from jackfield.testing.replies import Asked, Reply
from jackfield.testing.responses_speech import OpenAIResponses
from jackfield.testing.speech import Json, Speech, WrongRequestError

POSTED: tuple[tuple[str, Speech], ...] = (
    ("/chat/completions", OpenAIChat()),
    ("/responses", OpenAIResponses()),
    ("/embeddings", OpenAIEmbeddings()),
    ("/messages/count_tokens", AnthropicTokenCount()),
    ("/messages", AnthropicMessages()),
)


@dataclass(frozen=True, slots=True)
class ModelList:
    """Answers model listings; `errors` speaks the form of the API that was asked."""

    errors: OpenAIErrors | AnthropicErrors
    answer: Json

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return self.errors.headers

    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        return Asked()

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json:
        return self.answer

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        return []

    def end(self) -> bytes:
        return b""

    def failure(self, status: int, message: str) -> Json:
        return self.errors.failure(status, message)

    def failure_event(self, message: str) -> bytes:
        return self.errors.failure_event(message)


def choose_speech(request: Received, models: tuple[str, ...]) -> Speech:
    """Raises `WrongRequestError` where no API has the path."""
    if request.method == "POST":
        for ending, speech in POSTED:
            if request.path.endswith(ending):
                return speech
    elif request.method == "GET":
        _, found, name = request.path.partition("/models")
        if found:
            return _list_models(request, name.removeprefix("/"), models)
    raise WrongRequestError(f"Unknown request URL: {request.method} {request.path}", 404)


def _list_models(request: Received, name: str, models: tuple[str, ...]) -> Speech:
    anthropic = request.header("anthropic-version") is not None
    if name and name not in models:
        raise WrongRequestError(f"The model '{name}' does not exist", 404)
    if anthropic:
        found = anthropic_speech.describe_model(name) if name else anthropic_speech.list_models(models)
        return ModelList(AnthropicErrors(), found)
    found = openai_speech.describe_model(name) if name else openai_speech.list_models(models)
    return ModelList(OpenAIErrors(), found)


def guess_errors(request: Received) -> Speech:
    """The speech in which a request that no API understands is refused."""
    return AnthropicMessages() if request.header("anthropic-version") is not None else OpenAIChat()
