"""The messages that two peers exchange, each an array that begins with its kind. Ids are the sender's own for what it
asks (`Call`, `Stream`, `Ping`), and the asker's for what comes back.

    Call    [0, id, parent, method, params]   `parent`: the call of the other side that this one came out of, or null
    Answer  [1, id, value]
    Error   [2, id, message, code]            ends a call or a stream
    Cancel  [3, id]                           the asker no longer waits
    Tell    [4, parent, method, params]
    Stream  [5, id, method, params, credit]   `credit` items may be sent before more is given
    Item    [6, id, value]
    End     [7, id]
    Credit  [8, id, more]
    Ping    [9, id]
    Pong    [10, id]

The other side may be a stranger: what is none of these is refused while it is decoded. The values in them are left as
they are, for who knows what they are to be.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

CALL, ANSWER, ERROR, CANCEL, TELL, STREAM, ITEM, END, CREDIT, PING, PONG = range(11)

Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Call(Struct, array_like=True, tag=CALL, forbid_unknown_fields=True):
    number: Number
    parent: Number | None
    method: str
    value: Raw


class Answer(Struct, array_like=True, tag=ANSWER, forbid_unknown_fields=True):
    number: Number
    value: Raw


class Error(Struct, array_like=True, tag=ERROR, forbid_unknown_fields=True):
    number: Number
    words: str
    code: str


class Cancel(Struct, array_like=True, tag=CANCEL, forbid_unknown_fields=True):
    number: Number


class Tell(Struct, array_like=True, tag=TELL, forbid_unknown_fields=True):
    parent: Number | None
    method: str
    value: Raw


class Stream(Struct, array_like=True, tag=STREAM, forbid_unknown_fields=True):
    number: Number
    method: str
    value: Raw
    credit: Number


class Item(Struct, array_like=True, tag=ITEM, forbid_unknown_fields=True):
    number: Number
    value: Raw


class End(Struct, array_like=True, tag=END, forbid_unknown_fields=True):
    number: Number


class Credit(Struct, array_like=True, tag=CREDIT, forbid_unknown_fields=True):
    number: Number
    more: Number


class Ping(Struct, array_like=True, tag=PING, forbid_unknown_fields=True):
    number: Number


class Pong(Struct, array_like=True, tag=PONG, forbid_unknown_fields=True):
    number: Number


Message = Call | Answer | Error | Cancel | Tell | Stream | Item | End | Credit | Ping | Pong
# What ends, or goes on with, something that the other side was asked for.
Reply = Answer | Error | Item | End | Pong
REPLIES = frozenset({Answer, Error, Item, End, Pong})
