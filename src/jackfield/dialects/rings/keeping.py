"""Filling the response cache: what a plugin looked up in vain is there the next time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from jackfield.dialects.rings.answers import write_response
from jackfield.dialects.rings.context import RingRequest
from jackfield.dialects.rings.pii import unmask
from jackfield.dialects.rings.world import RingWorld
from jackfield.sdk.context import Exchange
from jackfield.wire.chat import ChatResponse

CACHE_KEY = "_cache_key"
MISS = "MISS"


def note_lookup(shared: RingRequest) -> None:
    """After a call that may have looked an answer up: what is masked by now is masked in the key as well."""
    if shared.asked.tokens is None and CACHE_KEY in shared.context.metadata:
        shared.asked.tokens = frozenset(shared.rotator.security.pii_vault)


def note_answer(exchange: Exchange, shared: RingRequest) -> None:
    """Before any hook has changed it: the next caller with this key may be another one, to whom the answer is unmasked
    from a vault of their own."""
    response = exchange.response
    if shared.asked.tokens is not None and isinstance(response, ChatResponse):
        shared.asked.answer = response


def keep_answer(exchange: Exchange, shared: RingRequest, world: RingWorld) -> None:
    """Keeps a whole completion that was not refused under the key that a lookup left in the metadata. What was masked
    after the lookup is part of the key as it was written, and is unmasked: nobody will do it when it is found."""
    answer, tokens = shared.asked.answer, shared.asked.tokens
    if exchange.synthetic or answer is None or tokens is None or not isinstance(exchange.response, ChatResponse):
        return
    metadata = shared.context.metadata
    key = metadata.get(CACHE_KEY)
    if isinstance(key, str) and metadata.get("_cache_status") == MISS:
        vault = shared.rotator.security.pii_vault
        later = {token: original for token, original in vault.items() if token not in tokens}
        world.cache.keep(key, unmask(write_response(answer).decode(), later).encode())


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
