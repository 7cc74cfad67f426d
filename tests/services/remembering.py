"""Parts of the memory service for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from announcing import Silence
from jackfield.plugins.echo import embed_text


class Listener(Silence):
    """Notes what is announced."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Mapping[str, Any]]] = []

    def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - the service's word
        self.heard.append((type, data))


class Words:
    """Embeds by hashed words. It raises `error` while there is one, hangs while `hangs`, and cannot embed texts that
    hold `poison`."""

    def __init__(self, model: str = "words", dimensions: int = 256) -> None:
        self.model, self.dimensions = model, dimensions
        self.error: Exception | None = None
        self.hangs = False
        self.poison = "\0"
        self.asked: list[tuple[str, ...]] = []

    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked.append(tuple(texts))
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        if any(self.poison in text for text in texts):
            raise ValueError("too long for the model")
        return [embed_text(text, self.dimensions) for text in texts]
