"""Ids that sort by the time they were made: `req_` and 26 hexadecimal digits, half of them time, half
random."""

from __future__ import annotations

import os
import random
from time import time_ns

# A generator of our own: seeding the shared one, as tests and plugins do, must not make ids repeat.
_generator = random.Random(os.urandom(32))  # noqa: S311 - ids are names, not secrets
_random_bits = _generator.getrandbits

os.register_at_fork(after_in_child=lambda: _generator.seed(os.urandom(32)))


def new_id(prefix: str) -> str:
    """Microseconds since the epoch in 13 digits (enough until 2112), then 52 random bits."""
    return f"{prefix}_{time_ns() // 1000:013x}{_random_bits(52):013x}"
