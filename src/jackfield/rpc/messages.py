"""The messages that two peers exchange, each a JSON array that begins with its kind. Ids are the sender's own for what
it asks (`CALL`, `STREAM`, `PING`), and the asker's for what comes back.

    CALL    [0, id, parent, method, params]   `parent`: the call of the other side that this one came out of, or null
    ANSWER  [1, id, value]
    ERROR   [2, id, message, code]            ends a call or a stream
    CANCEL  [3, id]                           the asker no longer waits
    TELL    [4, parent, method, params]
    STREAM  [5, id, method, params, credit]   `credit` items may be sent before more is given
    ITEM    [6, id, value]
    END     [7, id]
    CREDIT  [8, id, more]
    PING    [9, id]
    PONG    [10, id]
"""

from __future__ import annotations

from typing import Any

CALL, ANSWER, ERROR, CANCEL, TELL, STREAM, ITEM, END, CREDIT, PING, PONG = range(11)

_NUMBER, _TEXT, _ANY, _NUMBER_OR_NONE = "a number", "text", "any", "a number or null"
_SHAPES: tuple[tuple[str, ...], ...] = (
    (_NUMBER, _NUMBER_OR_NONE, _TEXT, _ANY),
    (_NUMBER, _ANY),
    (_NUMBER, _TEXT, _TEXT),
    (_NUMBER,),
    (_NUMBER_OR_NONE, _TEXT, _ANY),
    (_NUMBER, _TEXT, _ANY, _NUMBER),
    (_NUMBER, _ANY),
    (_NUMBER,),
    (_NUMBER, _NUMBER),
    (_NUMBER,),
    (_NUMBER,),
)
# The place of the value that a message carries.
VALUE_AT = {CALL: 4, ANSWER: 2, TELL: 3, STREAM: 3, ITEM: 2}


def check_message(message: Any) -> None:
    """Raises `ValueError` for what is none of the above: the other side may be a stranger."""
    if type(message) is not list or not message or type(message[0]) is not int or not 0 <= message[0] <= PONG:
        raise ValueError("no message of this protocol")
    shape = _SHAPES[message[0]]
    if len(message) != len(shape) + 1:
        raise ValueError(f"a message of kind {message[0]} with {len(message)} parts")
    for wanted, part in zip(shape, message[1:], strict=True):
        if not _fits(wanted, part):
            raise ValueError(f"a message of kind {message[0]} where {wanted} is missing")


def _fits(wanted: str, part: Any) -> bool:
    if wanted is _ANY:
        return True
    if wanted is _TEXT:
        return type(part) is str
    if part is None:
        return wanted is _NUMBER_OR_NONE
    return type(part) is int and 0 <= part < 2**53
