"""Reading JSON that strangers wrote, so that every fault becomes a `Malformed` that names its place.

Objects are read one level at a time into `Fields`: what is not acted on stays encoded. A format reads an
upstream's answer with the same functions and turns `Malformed` into `UpstreamBroken` at its border
(`upstream_broken`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed, UpstreamBroken

T = TypeVar("T")
Fields = dict[str, Raw]
Read = Callable[[Raw, str], T]

NULL = Raw(b"null")

encode = msgspec.json.Encoder().encode

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$(?P<place>.*)`)?$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `([^`]+)`( [<>]=? .*|)(?:, got .*)?$")
LONG_BODY = 16 * 1024
# As deep as a body may be nested. What writes and reads JSON in Python gives up at some hundred more, depending on how
# much of the stack is in use: nobody behind this border shall ever meet that.
DEEPEST = 128
_MOST_TOKENS = 10**12
# Names that decide what is asked of which model. Some servers take them in any case, and the last one counts.
_DECISIVE = frozenset(
    (
        *(
            "model",
            "messages",
            "system",
            "input",
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "n",
        ),
        *("tools", "tool_choice", "functions", "function_call", "response_format", "role", "content", "type", "text"),
        *("tool_calls", "function", "name", "arguments", "image_url", "file", "source", "url", "data"),
    )
)
_KINDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "object": "an object",
    "array": "a list",
}


def wrong(path: str, message: str) -> Malformed:
    return Malformed(f"{path}: {message}" if path else f"the body: {message}", param=path or None)


def upstream_broken(error: Malformed) -> UpstreamBroken:
    return UpstreamBroken(f"the upstream's answer is not understood: {error.message}")


def encoded(value: object) -> Raw:
    return Raw(encode(value))


def reader(kind: Any) -> Read[Any]:
    """A function that decodes one encoded value as `kind`; the second argument is the path to blame."""
    decode = msgspec.json.Decoder(kind).decode

    def read(raw: Raw, path: str) -> Any:
        try:
            return decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _explained(error, path) from error

    return read


def _explained(error: Exception, path: str) -> Malformed:
    if isinstance(error, RecursionError):
        return wrong(path, "nested too deeply")
    if isinstance(error, UnicodeError):
        return wrong(path, "not valid UTF-8")
    found = _PLACE.match(str(error))
    what, place = (found["what"], found["place"] or "") if found else (str(error), "")
    if not isinstance(error, msgspec.ValidationError):
        return wrong(path, f"not valid JSON ({what})")
    return wrong(path + place if path else place.removeprefix("."), _wanted(what))


def _wanted(what: str) -> str:
    expected = _EXPECTED.match(what)
    if expected is None:
        return what[:1].lower() + what[1:]
    kinds = [_KINDS.get(kind, kind) for kind in expected[1].split(" | ") if kind != "null"]
    return f"expected {' or '.join(kinds)}{expected[2]}"


def plain_reader(kind: type[T], *, spaced: bool = True) -> Callable[[bytes], T | None]:
    """A function that decodes a body whose objects have fields of `kind`, each once, and nothing else; `None` is any
    other body. `kind` is made of structs that forbid unknown fields and leave out what is not there.

    Such a body is as long as what it is written back as, white space aside: strings, integers and names have no shorter
    form, so that whatever was said twice, or otherwise, has made it longer. Fractions have one, and stay `Raw`. Where
    whole objects do, there is no telling their white space: without `spaced` only bodies that have none are read."""
    decode = msgspec.json.Decoder(kind).decode

    def read(body: bytes) -> T | None:
        try:
            value = decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        size = len(encode(value))
        if size == len(body):
            return value
        return (
            value if spaced and len(body) <= LONG_BODY and size == len(msgspec.json.format(body, indent=-1)) else None
        )

    return read


read_text: Read[str] = reader(str)
read_optional_text: Read[str | None] = reader(str | None)
read_flag: Read[bool] = reader(bool)
read_integer: Read[int] = reader(Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)])
read_count: Read[int] = reader(Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)])
read_number: Read[float] = reader(float)
read_texts: Read[list[str]] = reader(list[str])
read_list: Read[list[Raw]] = reader(list[Raw])
_read_fields: Read[Fields] = reader(Fields)
_read_fields_list: Read[list[Fields]] = reader(list[Fields])
_read_text_or_fields_list: Read[str | list[Fields]] = reader(str | list[Fields])


def read_document(body: bytes) -> Fields:
    """The fields of a whole body. White space between tokens is dropped first, which keeps the search for
    repeated names (`read_fields`) cheap below this level.

    What stays encoded is read here once as well: a number that no program can hold, or lists in lists without end, met
    by the first plugin that looks, would pass for that plugin's failure."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise wrong("", "not valid UTF-8") from error
    fields = _read_fields(Raw(body), "")
    _refuse_unreadable(body, fields)
    return _each_once(body, fields)


def read_members(body: bytes) -> Fields:
    """The fields of a whole body that is passed on as it is: what is in them is not looked at."""
    return _each_once(body, _read_fields(Raw(body), ""))


def _each_once(body: bytes, fields: Fields) -> Fields:
    if _checked_size(fields, "") != len(body):
        raw = Raw(msgspec.json.format(body, indent=-1))
        fields = _read_fields(raw, "")
        _refuse_repeats(fields, raw, "")
    return fields


def _refuse_unreadable(body: bytes, fields: Fields) -> None:
    if _is_readable(body, DEEPEST):
        return
    for name, value in fields.items():
        if not _is_readable(bytes(value), DEEPEST - 1):
            raise wrong(name, f"holds a number that is out of range, or is nested more than {DEEPEST} levels deep")


def _is_readable(text: bytes, deepest: int) -> bool:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    # Nothing is deeper than there are brackets, those in texts counted as well: most bodies need no walk.
    if text.count(b"{") + text.count(b"[") <= deepest:
        return True
    level: list[Any] = [[value]]
    for _ in range(deepest + 1):
        level = [
            item
            for held in level
            for item in (held.values() if type(held) is dict else held)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return True
    return False


def read_fields(raw: Raw, path: str) -> Fields:
    """An object's fields. A name given twice is refused: we might act on one, the upstream on the other."""
    fields = _read_fields(raw, path)
    if _checked_size(fields, path) != len(raw):
        _refuse_repeats(fields, raw, path)
    return fields


def read_fields_list(raw: Raw, path: str) -> list[Fields]:
    """A list of objects, each without repeated names."""
    return _distinct(_read_fields_list(raw, path), raw, path)


def read_text_or_fields_list(raw: Raw, path: str) -> str | list[Fields]:
    value = _read_text_or_fields_list(raw, path)
    return value if isinstance(value, str) else _distinct(value, raw, path)


def _distinct(items: list[Fields], raw: Raw, path: str) -> list[Fields]:
    size = max(len(items), 1) + 1
    for index, fields in enumerate(items):
        size += _checked_size(fields, path, index)
    if size != len(raw):
        for index, item in enumerate(read_list(raw, path)):
            _refuse_repeats(items[index], item, f"{path}[{index}]")
    return items


def read_object(raw: Raw, path: str) -> Raw:
    """Any object, left encoded."""
    if bytes(memoryview(raw)[:1]) != b"{":
        raise wrong(path, "expected an object")
    return raw


def _compact_size(fields: Fields) -> int:
    """The size of the smallest text that these fields can come from: what is larger has white space, escapes
    in names, or a name twice."""
    return _size(fields, "".join(fields))


def _size(fields: Fields, names: str) -> int:
    return len(names) + sum(map(len, fields.values())) + 4 * len(fields) + 1 if fields else 2


def _checked_size(fields: Fields, path: str, index: int | None = None) -> int:
    """As `_compact_size`, of fields none of whose names is a decisive one in disguise."""
    names = "".join(fields)
    if not (names.islower() and names.isascii()):
        _refuse_disguise(fields, path if index is None else f"{path}[{index}]")
    return _size(fields, names)


def _refuse_repeats(fields: Fields, raw: Raw, path: str) -> None:
    if _compact_size(fields) == len(raw):
        return
    try:
        pairs = json.loads(bytes(raw), object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise wrong(path, "nested too deeply") from error
    if len(pairs) == len(fields):
        return
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise wrong(f"{path}.{name}" if path else name, "given twice")
        seen.add(name)


def _refuse_disguise(fields: Fields, path: str) -> None:
    """A decisive name in capitals is unknown to us, and to an upstream that ignores case it is the name itself."""
    for name in fields:
        meant = name.casefold()
        if meant != name and meant in _DECISIVE:
            raise wrong(f"{path}.{name}" if path else name, f"write it {meant!r}: an upstream may ignore the case")


def may_repeat(body: bytes) -> bool:
    """Whether a name may stand twice in the outermost object, or is one of those that only look like another. Cheap,
    and never wrong in saying no."""
    return _may_repeat(body, _read_fields(Raw(body), ""))


def peek_members(body: bytes) -> Fields:
    """As `read_members`, but a short body that may repeat a name is read whole, and refused if it does."""
    if len(body) > LONG_BODY:
        return read_members(body)
    fields = _read_fields(Raw(body), "")
    if _may_repeat(body, fields):
        read_document(body)
    return fields


def _may_repeat(body: bytes, fields: Fields) -> bool:
    # Passes of the decoder are quicker than several searches.
    names = "".join(fields)
    spare = len(body) - _size(fields, names)
    if spare and spare >= _smallest_member(fields):
        if len(body) > LONG_BODY:
            return True
        body = msgspec.json.format(body, indent=-1)
        fields = _read_fields(Raw(body), "")
        if _compact_size(fields) != len(body):
            return True
    return not (names.islower() and names.isascii())


def _smallest_member(fields: Fields) -> int:
    """How much room a name that is there already would need to be there again, with a value of one letter."""
    return min(map(len, fields), default=0) + len('"":0,')


def clamp_count(number: float | None) -> int:
    """Tokens that somebody is charged for: what is missing or below nothing is nothing, and no claim is so large that
    it overflows whoever adds it up."""
    if type(number) is int and 0 <= number <= _MOST_TOKENS:
        return number
    return min(max(int(number), 0), _MOST_TOKENS) if number else 0


def kept_name(name: str) -> str:
    """The name under which an unknown field is kept: a dot of its own must not look like one of `spread_rest`."""
    return "." + name if "." in name else name


def sort_fields(
    fields: Fields, known: Mapping[str, tuple[str, Read[Any]]], prefix: str
) -> tuple[dict[str, Any], Fields]:
    """The known fields, decoded under their canonical names, and the rest. A known null counts as absent.

    `prefix` is what stands before a field's name in its path: empty, or `messages[2].`.
    """
    values: dict[str, Any] = {}
    extra: Fields = {}
    for name, raw in fields.items():
        entry = known.get(name)
        if entry is None:
            extra[kept_name(name)] = raw
        elif raw != NULL:
            values[entry[0]] = entry[1](raw, prefix + name)
    return values, extra


def take(fields: Fields, name: str, read: Read[T], path: str) -> T:
    """Removes and reads a field that must be there."""
    raw = fields.pop(name, NULL)
    place = f"{path}.{name}" if path else name
    if raw == NULL:
        raise wrong(place, "required")
    return read(raw, place)
