"""Examples in Go that are built with the SDK beside them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from toolchains import build_go

from .folders import EXAMPLES

SDK = EXAMPLES.parent / "sdk" / "go"
RATE_LIMITER = EXAMPLES / "grpc-rate-limiter-go"


@cache
def build_beside_sdk(folder: Path) -> Path:
    return build_go(folder, beside=(SDK,))
