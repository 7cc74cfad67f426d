"""Wire formats that plugins add, as the gateway uses them: a plugin that breaks in one of them is named, and harms
nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import structlog

from jackfield.errors import ConfigError, Conflict, JackfieldError, PluginFailed
from jackfield.sdk.formats import FormatSpec, formats_of
from jackfield.sdk.plugin import Plugin
from jackfield.telemetry.text import describe_error
from jackfield.wire import FORMATS, format_named
from jackfield.wire.base import Encoded, Peek, StreamDecoder, StreamEncoder, StreamScanner, WireFormat
from jackfield.wire.chat import ChatEvent, FinishReason, Request, Response, Usage
from jackfield.wire.openai_errors import encode_error

REGISTER = "formats:register"
# The gateway's own, below `/v1`.
TAKEN = ("/v1/models", "/v1/agents", "/v1/responses", "/v1/chat", "/v1/messages", "/v1/embeddings")

T = TypeVar("T")

log = structlog.get_logger("jackfield.host")


class AddedFormat:
    """A plugin's format. What it raises that is no `JackfieldError` becomes `PluginFailed`; where a format may not
    raise at all, there is something plain in its place."""

    def __init__(self, spec: FormatSpec, plugin: str) -> None:
        inner = spec.format
        self.name, self.operation, self.restates = inner.name, inner.operation, bool(inner.restates)
        self.path, self.upstream_path, self.plugin = spec.path, spec.upstream_path, plugin
        self._inner = inner

    def run(self, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """A boundary: what a plugin raises is its own failure, and tells clients no more than that."""
        try:
            return call(*arguments, **named)
        except JackfieldError:
            raise
        except Exception as error:
            log.warning("format_failed", plugin=self.plugin, format=self.name, reason=describe_error(error))
            raise PluginFailed(
                f"the wire format {self.name} of plugin {self.plugin} failed", plugin=self.plugin
            ) from error

    def get(self, kind: Any, call: Callable[..., T], *arguments: Any) -> T:
        """What the call gives, which is of this kind."""
        value = self.run(call, *arguments)
        self.check(value, kind)
        return value

    def check(self, value: Any, kind: Any) -> None:
        if not isinstance(value, kind):
            self.run(_refuse, value, kind)

    def run_or(self, otherwise: Callable[[], T], call: Callable[..., T], *arguments: Any) -> T:
        try:
            return self.run(call, *arguments)
        except JackfieldError:
            return otherwise()

    def answering(self, body: bytes) -> WireFormat:
        found = self.run_or(lambda: self._inner, lambda: self.get(WireFormat, self._inner.answering, body))
        return self if found is self._inner else AddedFormat(FormatSpec(format=found), self.plugin)

    def peek(self, body: bytes) -> Peek:
        told = self.get(Peek, self._inner.peek, body)
        self.check(told.model, str)
        return told

    def with_model(self, body: bytes, model: str) -> bytes:
        return self.get(bytes, self._inner.with_model, body, model)

    def with_stream_usage(self, body: bytes) -> bytes:
        return self.get(bytes, self._inner.with_stream_usage, body)

    def decode_request(self, body: bytes) -> Request:
        return self.get(Request, self._inner.decode_request, body)

    def encode_request(self, request: Request) -> Encoded:
        return self.get(Encoded, self._inner.encode_request, request)

    def decode_response(self, body: bytes) -> Response:
        return self.get(Response, self._inner.decode_response, body)

    def encode_response(self, response: Response) -> Encoded:
        return self.get(Encoded, self._inner.encode_response, response)

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        return self.run(self._inner.usage_of, body)

    def decode_error(self, body: bytes) -> tuple[str, str]:
        shortened = ("upstream_error", body[:500].decode("utf-8", "replace"))
        return self.run_or(lambda: shortened, self._inner.decode_error, body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        return self.run_or(
            lambda: encode_error(error), lambda: self.get(bytes, self._inner.encode_error, error, request_id)
        )

    def stream_decoder(self) -> StreamDecoder:
        return _AddedDecoder(self, self.run(self._inner.stream_decoder))

    def stream_encoder(self, *, model: str, usage: bool) -> StreamEncoder:
        return _AddedEncoder(self, self.run(self._inner.stream_encoder, model=model, usage=usage))

    def stream_scanner(self, *, strip_usage: bool) -> StreamScanner:
        return _AddedScanner(self, self.run(self._inner.stream_scanner, strip_usage=strip_usage))


def _refuse(value: Any, kind: Any) -> None:
    raise TypeError(f"gave {type(value).__name__} instead of {getattr(kind, '__name__', kind)}")


class _AddedDecoder:
    def __init__(self, format_: AddedFormat, inner: StreamDecoder) -> None:
        self._format, self._inner = format_, inner

    @property
    def faithful(self) -> bool:
        return self._inner.faithful

    @faithful.setter
    def faithful(self, value: bool) -> None:
        self._inner.faithful = value

    def decode(self, event: str, data: bytes) -> tuple[ChatEvent, ...]:
        told = self._format.get(tuple, self._inner.decode, event, data)
        for each in told:
            self._format.check(each, ChatEvent)
        return told


class _AddedEncoder:
    def __init__(self, format_: AddedFormat, inner: StreamEncoder) -> None:
        self._format, self._inner = format_, inner
        self.dropped = inner.dropped

    def encode(self, event: ChatEvent) -> bytes:
        return self._format.get(bytes, self._inner.encode, event)

    def observe(self, event: ChatEvent) -> None:
        self._format.run(self._inner.observe, event)

    def fail(self, error: JackfieldError) -> bytes:
        return self._format.run_or(bytes, lambda: self._format.get(bytes, self._inner.fail, error))


class _AddedScanner:
    def __init__(self, format_: AddedFormat, inner: StreamScanner) -> None:
        self._format, self._inner = format_, inner
        self.scan = inner.scan

    def feed(self, events: bytes) -> bytes:
        return self._format.get(bytes, self._inner.feed, events)

    def fail(self, error: JackfieldError) -> bytes:
        return self._format.run_or(bytes, lambda: self._format.get(bytes, self._inner.fail, error))


class Formats(Mapping[str, AddedFormat]):
    """Those of one world of plugins, by name; `by_path` those that clients speak."""

    def __init__(self, added: Iterable[AddedFormat] = ()) -> None:
        self._by_name = {format_.name: format_ for format_ in added}
        self.by_path = MappingProxyType(
            {format_.path: format_ for format_ in self._by_name.values() if format_.path is not None}
        )

    def __getitem__(self, name: str) -> AddedFormat:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> WireFormat:
        """One of these, or of the gateway's own. Raises `ConfigError`."""
        found = self._by_name.get(name)
        return format_named(name) if found is None else found


NO_FORMATS = Formats()


def collect_formats(plugin: Plugin[Any], plugin_id: str, approved: Iterable[str]) -> tuple[AddedFormat, ...]:
    """Raises `ConfigError` for one without leave, or at the gateway's own path or name, and `TypeError` for what is no
    format."""
    specs = formats_of(plugin)
    if specs and REGISTER not in approved:
        raise ConfigError(f"adds wire formats, for which it lacks the permission {REGISTER!r}", plugin=plugin_id)
    names = [key for spec in specs for key in (spec.format.name, spec.path) if key is not None]
    if len(set(names)) < len(names):
        raise ConfigError(f"adds a wire format twice: {', '.join(names)}", plugin=plugin_id)
    for spec in specs:
        name, path = spec.format.name, spec.path
        if name in FORMATS.names:
            raise ConfigError(f"the wire format {name} is the gateway's own", plugin=plugin_id)
        if path is not None and any(path == own or path.startswith(f"{own}/") for own in TAKEN):
            raise ConfigError(f"POST {path} is among the gateway's own paths", plugin=plugin_id)
    return tuple(AddedFormat(spec, plugin_id) for spec in specs)


def refuse_same(formats: Iterable[AddedFormat], others: Iterable[AddedFormat]) -> None:
    """Raises `Conflict` where a name or a path is another plugin's already."""
    taken = {key: other for other in others for key in (other.name, other.path) if key is not None}
    for format_ in formats:
        for key in (format_.name, format_.path):
            if key in taken:
                raise Conflict(
                    f"the wire format {key} is offered by the plugin {taken[key].plugin!r}", plugin=format_.plugin
                )
