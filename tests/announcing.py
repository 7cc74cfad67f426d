"""An announcer nobody listens to, for what announces events in a test that is not about them."""

from collections.abc import Mapping
from typing import Any

from jackfield.sdk.events import ToolRefusal


class Silence:
    def is_wanted(self, type: str) -> bool:  # noqa: A002
        return False

    def announce(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        pass

    async def ask(self, type: str, data: Mapping[str, Any]) -> tuple[str, ToolRefusal] | None:  # noqa: A002
        return None
