"""Tools: what a plugin lets models call, and how it calls those of others.

`@tool` marks a method as one; `services.tools` registers and unregisters at any time.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

import msgspec
from pydantic import TypeAdapter, create_model
from pydantic.fields import FieldInfo

from jackfield.sdk.caller import Caller
from jackfield.sdk.marks import marked_members

TOOL_TIMEOUT_S = 30.0
DEEPEST = 5
# What every provider takes as a function's name, the `plugin_{id}_` before it included.
LONGEST_NAME = 64
_NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
_CONTEXT = "context"


class ToolReply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a tool call. `result` is any JSON value; `error` says why there is none."""

    success: bool
    result: Any = None
    error: str | None = None


class ToolFailed(Exception):
    """Raise it in a tool: its text is what the model is told."""


ProgressListener = Callable[[float, str], None]
_LISTENER: ContextVar[ProgressListener | None] = ContextVar("jackfield_progress_listener", default=None)


@contextmanager
def progress_heard_by(listener: ProgressListener) -> Iterator[None]:
    """Of the tool that is called inside; not of those that it calls."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def progress_listener() -> ProgressListener | None:
    return _LISTENER.get()


class ToolContext(msgspec.Struct, frozen=True, kw_only=True):
    """`tool` is the tool's short name, `call` this call's id; `listener` is who hears of its progress."""

    plugin: str
    tool: str
    call: str
    caller: Caller
    listener: ProgressListener | None = None

    def progress(self, fraction: float, message: str = "") -> None:
        """Tells who waits for this call how much of it is done, from 0 to 1. Returns at once; where nobody wants to
        know nothing happens."""
        if self.listener is not None:
            self.listener(fraction, message)


ToolHandler = Callable[[dict[str, Any], ToolContext], Awaitable[Any]]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`input_schema` is a JSON Schema of type `object`. `timeout_s` is at most `TOOL_TIMEOUT_S`."""

    name: str
    description: str = ""
    input_schema: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"type": "object"})
    timeout_s: float = TOOL_TIMEOUT_S


class Tools(Protocol):
    """Offering tools needs `tools:register`, running those of others `tools:execute`. What lacks raises
    `NotGranted`."""

    def register(self, spec: ToolSpec, handler: ToolHandler) -> None:
        """The handler answers with any JSON value or a `ToolReply`; what it raises is the call's error. Raises
        `ValueError` for a name that is taken or that no provider would take, and for a schema that is none."""

    def unregister(self, name: str) -> None:
        """By its short name; one that is not there is no error."""

    async def execute(self, name: str, arguments: Mapping[str, Any]) -> ToolReply:
        """By short name a tool of one's own, by full name (`plugin_{id}_{tool}`) another's. It passes the same checks
        as a model's call, on behalf of the same caller. Never raises what the tool does."""


def full_name(plugin: str, tool: str) -> str:
    return f"plugin_{plugin}_{tool}"


def check_tool_name(plugin: str, name: str) -> None:
    """Raises `ValueError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"a tool's name is letters, digits, _ and -, not {name!r:.100}")
    if len(full := full_name(plugin, name)) > LONGEST_NAME:
        raise ValueError(f"the tool's name {full!r} has more than {LONGEST_NAME} characters")


def _is_async(method: object) -> bool:
    return inspect.iscoroutinefunction(method)


F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_MARK = "__jackfield_tool__"


def tool(
    description: str = "",
    *,
    name: str | None = None,
    schema: Mapping[str, Any] | None = None,
    timeout_s: float = TOOL_TIMEOUT_S,
) -> Callable[[F], F]:
    """Marks a method as a tool: its parameters are the input, and `context` among them is the `ToolContext`.

    Without a `schema` it is made from the annotations, and what comes in is converted to them; with one the method gets
    what fits it, as it is. The description is the docstring's where none is given.
    """

    def mark(method: F) -> F:
        if not _is_async(method):
            raise TypeError(f"@tool: {method.__qualname__} must be `async def`")
        text = description or inspect.getdoc(method) or ""
        spec = ToolSpec(name=name or method.__name__, description=text, timeout_s=timeout_s)
        setattr(method, _MARK, (spec, schema))
        return method

    return mark


def tools_of(plugin: object) -> tuple[tuple[ToolSpec, ToolHandler], ...]:
    """The marked methods of an instance, ready to be registered. Raises `TypeError` where no schema can be made."""
    found = []
    for attribute, marked in marked_members(type(plugin), _MARK):
        spec, schema = getattr(marked, _MARK)
        method = getattr(plugin, attribute)
        found.append(_from_schema(spec, schema, method) if schema is not None else _from_signature(spec, method))
    return tuple(found)


def _from_schema(
    spec: ToolSpec, schema: Mapping[str, Any], method: Callable[..., Awaitable[Any]]
) -> tuple[ToolSpec, ToolHandler]:
    wants_context = _CONTEXT in inspect.signature(method).parameters

    async def handle(arguments: dict[str, Any], context: ToolContext) -> Any:
        return await method(**arguments, **({_CONTEXT: context} if wants_context else {}))

    return msgspec.structs.replace(spec, input_schema=schema), handle


def _from_signature(spec: ToolSpec, method: Callable[..., Awaitable[Any]]) -> tuple[ToolSpec, ToolHandler]:
    signature = inspect.signature(method, eval_str=True)
    fields: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.name == _CONTEXT:
            continue
        if parameter.annotation is parameter.empty or parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise TypeError(f"@tool {spec.name}: the parameter {parameter.name} needs a type, or the tool a schema")
        default: Any = FieldInfo(default=parameter.default) if parameter.default is not parameter.empty else ...
        fields[parameter.name] = (parameter.annotation, default)
    model = create_model(spec.name, __config__={"extra": "forbid"}, **fields)
    adapter = TypeAdapter(model)
    wants_context = _CONTEXT in signature.parameters

    async def handle(arguments: dict[str, Any], context: ToolContext) -> Any:
        given = adapter.validate_python(arguments)
        own = {name: getattr(given, name) for name in fields}
        return await method(**own, **({_CONTEXT: context} if wants_context else {}))

    schema = model.model_json_schema()
    schema.pop("title", None)
    return msgspec.structs.replace(spec, input_schema=schema), handle
