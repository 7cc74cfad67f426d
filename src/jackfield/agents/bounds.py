"""How far one run may go."""

from __future__ import annotations

from typing import Literal

import msgspec

from jackfield.sdk.agents import MOST_TURNS

AT_ONCE = 8
CALLS_A_TURN = 32
CALLS = 128
# In how many turns a model may make the very same call; in the next of them it is stopped.
REPEATS = 4
RESULT_BYTES = 64 * 1024

# Why a run ended before its model was done.
Stop = Literal["turns", "time", "tokens", "money", "calls", "repeats"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens` and `usd` are looked at after each turn: the turn that passes them is the last, and so is one of which
    nobody knows what it used or cost."""

    seconds: float
    turns: int = MOST_TURNS
    tokens: int | None = None
    usd: float | None = None
