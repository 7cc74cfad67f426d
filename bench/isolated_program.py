"""The plugin that `bench.isolated_python` measures: what it is told it answers. Runs in a process of its own."""

from __future__ import annotations

from typing import Any


class Echo:
    async def start(self, params: Any, rpc: Any) -> None:
        """Nothing to do."""

    async def echo(self, params: Any, rpc: Any) -> Any:
        return params


async def begin(arguments: Any, rpc: Any) -> Echo:
    return Echo()
