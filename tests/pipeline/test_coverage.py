"""Which plugin sees what is computed from the hook table, and shown."""

from __future__ import annotations

from typing import Any

from .conftest import OpenGate


async def test_each_hook_is_shown_for_each_operation(open_gate: OpenGate) -> None:
    hooks = """
        @hook("pre_flight", on_failure="open", operations=("chat",))
        async def a(self, exchange): ...
        @hook("response_chunk", on_failure="open")
        async def b(self, exchange, event): ...
        @hook("response_body", on_failure="open")
        async def c(self, exchange): ...
        @hook("response_body", on_failure="open", edits=True)
        async def d(self, exchange): ...
    """
    gate = await open_gate({"p": hooks})
    rows = (await gate.gateway.admin("/api/v1/coverage")).json["data"]
    found = {(row["hook"], row["operation"]): (row["whole"], row["streamed"]) for row in rows if row["plugin"] == "p"}
    expected: dict[tuple[str, str], Any] = {
        ("a", "chat"): (True, "seen"),
        ("a", "embeddings"): (False, None),
        ("a", "count_tokens"): (False, None),
        ("b", "chat"): (False, "seen"),
        ("b", "embeddings"): (False, None),
        ("b", "count_tokens"): (False, None),
        ("c", "chat"): (True, "observes"),
        ("c", "embeddings"): (True, None),
        ("c", "count_tokens"): (True, None),
        ("d", "chat"): (True, "edits"),
        ("d", "embeddings"): (True, None),
        ("d", "count_tokens"): (True, None),
    }
    assert found == expected
