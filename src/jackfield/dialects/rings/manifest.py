"""One entry of a ring manifest: its fields, what is missing filled in, what is wrong refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeGuard

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from jackfield.dialects.rings.form import Item, check_items
from jackfield.dialects.rings.names.plugin_sdk import PluginHook
from jackfield.dialects.rings.problems import EntryProblem, name_closest
from jackfield.sdk.manifest import Manifest

Source = Literal["bundled", "installed"]
Ring = Literal["ingress", "pre_flight", "routing", "post_flight", "background"]

_PART = re.compile(r"[^\W\d][\w-]*")
_SYMBOL = re.compile(r"[^\W\d]\w*")
_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")
_QUOTED = re.compile(r"'(\w+)'")
LONGEST_TIMEOUT_MS = 600_000
# Written by the tools of other hosts for themselves.
_IGNORED = frozenset({"_source"})


class RingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as its manifest states it. `module` is its dotted path below the plugins folder; a `timeout_ms` or
    `fail_policy` of `None` is not stated."""

    name: str
    id: str
    hook: PluginHook
    module: str
    symbol: str
    priority: int = 100
    enabled: bool = True
    type: str = "python"
    version: str = "0.0.0"
    author: str = "unknown"
    description: str = ""
    timeout_ms: int | None = None
    fail_policy: Literal["open", "closed"] | None = None
    config: Mapping[str, Any] = msgspec.field(default_factory=dict)
    ui_schema: tuple[Mapping[str, Any], ...] = ()
    form: tuple[Item, ...] = ()
    sha256: str | None = None
    allow_inprocess: bool = False
    source: Source = "bundled"

    def manifest(self) -> Manifest:
        return Manifest(
            id=self.id,
            name=self.name,
            version=self.version,
            author=self.author,
            description=self.description,
            priority=self.priority,
            enabled=self.enabled,
        )


def _check_entrypoint(text: str) -> str:
    module, colon, symbol = text.partition(":")
    if text.count(":") > 1:
        raise ValueError("has more than one colon: write folder.module:Symbol")
    if not colon or not module or not symbol:
        raise ValueError("names a module and a symbol: write folder.module:Symbol")
    if ".." in module or module.startswith((".", "/", "\\", "~")):
        raise ValueError("leads out of the plugins folder")
    if not all(_PART.fullmatch(part) for part in module.split(".")):
        raise ValueError(f"{module!r} is not a module: write the path below the plugins folder with dots")
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"{symbol!r} is not the name of a class or function")
    return text


def _check_type(kind: object) -> object:
    if kind == "wasm":
        raise ValueError("'wasm' plugins are not supported: ring plugins run in Python here (type: python)")
    return kind


def _number_to_text(value: object) -> object:
    """`version: 1.0` is a number in YAML."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    hook: Ring
    entrypoint: Annotated[str, AfterValidator(_check_entrypoint)]
    priority: int = 100
    enabled: bool = True
    type: Annotated[Literal["python"], BeforeValidator(_check_type)] = "python"
    version: Annotated[str, BeforeValidator(_number_to_text)] = "0.0.0"
    author: str = "unknown"
    description: str = ""
    timeout_ms: Annotated[int, Field(ge=1, le=LONGEST_TIMEOUT_MS)] | None = None
    fail_policy: Literal["open", "closed"] | None = None
    config: dict[str, Any] = {}
    ui_schema: list[Item] = []
    sha256: Annotated[str, StringConstraints(pattern=r"^(?i:sha256:)?[0-9a-fA-F]{64}$")] | None = None
    allow_inprocess: bool = False


def is_timeout(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= LONGEST_TIMEOUT_MS


def read_entry(raw: object, source: Source) -> RingEntry:
    """Raises `EntryProblem`."""
    if not isinstance(raw, dict):
        raise EntryProblem(f"is a mapping with name, hook and entrypoint, not {type(raw).__name__}")
    stated = {key: value for key, value in raw.items() if value is not None and key not in _IGNORED}
    if odd := next((key for key in stated if not isinstance(key, str)), None):
        raise EntryProblem(f"the key {odd!r} is not a text")
    try:
        fields = _Fields.model_validate(stated)
    except ValidationError as error:
        raise _problem(error) from error
    check_items(fields.ui_schema, fields.config)
    entry = _entry(fields, stated, source)
    _check_id(entry)
    return entry


def _entry(fields: _Fields, stated: Mapping[str, Any], source: Source) -> RingEntry:
    module, _, symbol = fields.entrypoint.partition(":")
    plain = fields.model_dump(exclude={"entrypoint", "hook", "ui_schema"})
    return RingEntry(
        **plain,
        id=slug_of(fields.name) or slug_of(module.rpartition(".")[2]),
        hook=PluginHook(fields.hook),
        module=module,
        symbol=symbol,
        ui_schema=tuple(stated.get("ui_schema", ())),
        form=tuple(fields.ui_schema),
        source=source,
    )


def slug_of(name: str) -> str:
    """The id that a display name gives: `A/B Model Router` is `a_b_model_router`. An id begins with a letter."""
    slug = _NOT_A_SLUG.sub("_", name.lower()).strip("_")
    return f"ring_{slug}" if slug[:1].isdigit() else slug


def _check_id(entry: RingEntry) -> None:
    try:
        entry.manifest()
    except ValidationError as error:
        raise EntryProblem(f"makes no id: {error.errors()[0]['msg']}", ("name",)) from error


def _problem(error: ValidationError) -> EntryProblem:
    first = error.errors()[0]
    path = first["loc"]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = _Fields if len(path) == 1 else Item
        return EntryProblem(f"unknown key{name_closest(str(path[-1]), known.model_fields)}", path)
    if first["type"] == "missing":
        return EntryProblem("is missing", path)
    if first["type"] == "literal_error":
        known_words = _QUOTED.findall(str(first["ctx"]["expected"]))
        return EntryProblem(message + name_closest(first["input"], known_words), path)
    return EntryProblem(message, path)
