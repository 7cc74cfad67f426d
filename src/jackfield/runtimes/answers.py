"""The host's answers, as a peer asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import structlog

from jackfield.errors import JackfieldError
from jackfield.runtimes.base import Answerer
from jackfield.telemetry.text import describe_error

log = structlog.get_logger("jackfield.runtimes")


class Answers:
    """Plugins ask their host for no streams."""

    def __init__(self, plugin: str, answerer: Answerer) -> None:
        self._plugin, self._answerer = plugin, answerer

    async def answer(self, method: str, params: Any) -> Any:
        return await self._answerer.answer(method, params)

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]:
        raise JackfieldError(f"the host streams no {method[:100]}")

    def hear(self, method: str, params: Any) -> None:
        try:
            self._answerer.hear(method, params)
        except Exception as error:  # noqa: BLE001 - a boundary: it must not raise, and nobody waits for it
            log.warning("plugin_not_heard", plugin=self._plugin, method=method[:100], error=describe_error(error))
