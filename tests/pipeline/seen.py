"""Where the plugins of these tests leave what they have seen; they run in this process."""

from __future__ import annotations

from typing import Any

SEEN: list[Any] = []
