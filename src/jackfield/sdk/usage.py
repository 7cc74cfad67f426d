"""What the gateway has recorded of the exchanges, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from jackfield.sdk.prices import Price


class Ledger(Protocol):
    """Needs `usage:read`. It holds what everybody has asked for: whom a plugin tells of it is for the plugin to see to.

    `asked` are parameters of `GET /api/v1/usage`, each as text. What is wrong with them raises `ValueError`, which
    names the parameter and what would do. Each question counts as an operation, and one that takes longer than ten
    seconds raises `DeadlineExceeded`.
    """

    async def query(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """`totals` and a page of `records` with the cursor of the `next`, or with `group_by` sums by `groups`."""

    async def percentiles(self, measure: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """Of `total_ms`, `first_byte_ms`, `upstream_ms`, `hooks_ms`, `input_tokens`, `output_tokens` or `cost_nanousd`:
        `groups`, each with `records`, `least`, `mean`, `most`, `p50`, `p90`, `p95` and `p99`. `sampled` tells that only
        the newest 100,000 records were looked at."""

    async def prices(self) -> tuple[tuple[Price, ...], ...]:
        """What the gateway reckons with: lists of which the first that has a model counts. The last one comes with
        Jackfield, those before it are the operator's."""
