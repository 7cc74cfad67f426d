"""Filling the response cache: what a plugin looked up in vain is there the next time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from jackfield.dialects.rings.answers import write_response
from jackfield.dialects.rings.context import RingRequest
from jackfield.dialects.rings.world import RingWorld
from jackfield.sdk.context import Exchange
from jackfield.wire.chat import ChatResponse

CACHE_KEY = "_cache_key"
MISS = "MISS"


def keep_answer(exchange: Exchange, shared: RingRequest, world: RingWorld) -> None:
    """Keeps a whole completion under the key that a lookup left in the metadata, as the client got it."""
    response = exchange.response
    if exchange.synthetic or not shared.is_open or not isinstance(response, ChatResponse):
        return
    metadata = shared.context.metadata
    key = metadata.get(CACHE_KEY)
    if isinstance(key, str) and metadata.get("_cache_status") == MISS:
        world.cache.keep(key, write_response(response))


def mentions(symbol: object, text: str) -> bool:
    """Whether the code of a function, or of a class and its parents, has this text in it, or a name of its module that
    stands for it."""
    return any(_has(function, text) for function in _functions(symbol))


def _functions(symbol: object) -> Iterator[Any]:
    if inspect.isfunction(symbol):
        yield symbol
    elif inspect.isclass(symbol):
        for kind in symbol.__mro__:
            yield from (inspect.unwrap(value) for value in vars(kind).values() if inspect.isfunction(value))


def _has(function: Any, text: str) -> bool:
    named = {name for name, value in function.__globals__.items() if isinstance(value, str) and value == text}
    return any(text in code.co_consts or named.intersection(code.co_names) for code in _codes(function.__code__))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
