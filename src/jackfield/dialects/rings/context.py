"""What the ring plugins of one request share, and how a call that fails leaves no trace in it."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Mapping
from typing import Any

from jackfield.dialects.rings import metadata as told
from jackfield.dialects.rings.answers import RingResponse, content_of, read_fields, write_response
from jackfield.dialects.rings.bodies import Body, decode, is_clean, private_part, public_part, read_body
from jackfield.dialects.rings.carried import Carried, gather, lay
from jackfield.dialects.rings.facade import Rotator
from jackfield.dialects.rings.inbound import RingInbound
from jackfield.dialects.rings.names.plugin_engine import PluginContext
from jackfield.dialects.rings.names.plugin_sdk import PluginHook
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import Malformed
from jackfield.sdk.context import Exchange
from jackfield.sdk.outcomes import Identity
from jackfield.wire.chat import ChatResponse, ErrorResponse, Request, Response

AFTER_ANSWER = frozenset({PluginHook.POST_FLIGHT, PluginHook.BACKGROUND})
# What an answer lays over the request in `ctx.body`.
OVERLAY = ("choices", "usage")
SESSION_LENGTH = 16
_CONTAINERS = frozenset({dict, list, set})


class Copied:
    """A dictionary as it is now. What is in it may be any object, and stays the same one; but plain containers are
    changed in place as often as replaced, so they are kept as a copy, packed until it is needed."""

    __slots__ = ("_packed", "_plain")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._plain = plain = dict(values)
        self._packed: dict[str, bytes] | None = None
        for name, value in values.items():
            if type(value) in _CONTAINERS:
                self._pack(plain, name, value)

    def back(self) -> dict[str, Any]:
        if self._packed is None:
            return self._plain
        return self._plain | {name: marshal.loads(data) for name, data in self._packed.items()}  # noqa: S302 - our own

    def _pack(self, plain: dict[str, Any], name: str, value: Any) -> None:
        try:
            data = marshal.dumps(value)
        except ValueError:
            plain[name] = value.copy()  # holds what only its maker could copy
            return
        self._packed = self._packed or {}
        self._packed[name] = data


class Saved:
    """The context as it was before a call."""

    __slots__ = ("answer", "context", "error", "metadata", "private", "public", "response", "session_id")

    def __init__(self, context: PluginContext, public: bytes) -> None:
        self.context, self.public = context, public
        response = context.response
        self.answer = None if response is None else (response.status_code, response.body)
        self.private = Copied(private_part(context.body))
        self.metadata = Copied(context.metadata)
        self.response, self.error, self.session_id = response, context.error, context.session_id


class Asked:
    """What a lookup in the response cache leaves for the answer to be kept: the tokens that stood for people's data in
    what it asked for, and the answer as it came, before any plugin could unmask it."""

    __slots__ = ("answer", "tokens")

    def __init__(self) -> None:
        self.answer: ChatResponse | None = None
        self.tokens: frozenset[str] | None = None


class RingRequest:
    """Of one exchange, from its first ring plugin to its last.

    `body` and `metadata` of the context are the very objects that plugins keep changing. `given` is what was handed to
    the pipeline last: until it comes back as the request (or response) of the exchange, it is not known to be taken.
    """

    __slots__ = (
        "_given", "_public", "_request", "_response", "_ring", "_saved", "asked", "carried", "context", "rotator",
    )  # fmt: skip

    context: PluginContext
    rotator: Rotator

    def __init__(self) -> None:
        self._ring: PluginHook | None = None
        self._request: Request | None = None
        self._response: Response | None = None
        self._given: object = None
        self._public = b"{}"
        self._saved: Saved | None = None
        self.asked = Asked()
        # What a plugin in another process left, until the next one here is called.
        self.carried: Carried | None = None

    def enter(self, exchange: Exchange, world: RingWorld, ring: PluginHook) -> Saved:
        """Prepares the context for one call. Raises `Malformed` where the client's request cannot be read."""
        if self._saved is not None:
            self.undo(self._saved)  # a call that was left behind and never came to its own end
        if self._ring is None:
            self._open(exchange, world)
        if self.carried is not None:
            lay(self.carried, self.context, self.rotator)
            self.carried = None
        self._refresh(exchange, ring)
        if ring is not self._ring:
            self._tell(exchange, world, ring)
            self._ring = ring
        context = self.context
        context.stop_chain = False
        if ring is not PluginHook.BACKGROUND:
            context.metadata.pop("_block_status", None)
            context.metadata.pop("_block_error_type", None)
            context.metadata.pop("_retry_after", None)
        self._saved = saved = Saved(context, self._public)
        return saved

    def leave(self, public: bytes, given: object) -> None:
        """A call is over, and left the body like this; `given` goes to the pipeline in the place of what there was."""
        self._saved = None
        self._public, self._given = public, given

    def undo(self, saved: Saved) -> None:
        """Puts everything back as it was. The context is a new one: whoever still holds the other can do no harm."""
        self._saved = None
        if saved.context is not self.context:
            return
        old = saved.context
        response = saved.response
        if saved.answer is not None:
            response.status_code, response.body = saved.answer
        self.context = PluginContext(
            request=old.request,
            body=decode(saved.public) | saved.private.back(),
            response=response,
            metadata=saved.metadata.back(),
            error=saved.error,
            session_id=saved.session_id,
            state=old.state,
        )

    def carry(self) -> Carried | None:
        """What is shared now, for a plugin in another process; `None` before the first ring plugin was called."""
        if self.carried is not None or self._ring is None:
            return self.carried
        return gather(self.context, self.rotator)

    def is_clean(self) -> bool:
        """Whether the request as it goes upstream holds nothing private."""
        return self._request is None or is_clean(self._request)

    @property
    def request(self) -> Request | None:
        return self._request

    def _open(self, exchange: Exchange, world: RingWorld) -> None:
        state = world.state(cached=exchange.operation == "chat", synthetic=exchange.synthetic)
        self.context = PluginContext(request=RingInbound(exchange.inbound), state=state)
        if exchange.identity is None:
            self.context.session_id = _session(exchange.inbound.client)
        self._refresh_request(exchange)
        self.rotator = Rotator(world, state.extra["store"], exchange.id)
        self.context.metadata = told.begin(exchange, self.rotator, self.context.body)

    def _tell(self, exchange: Exchange, world: RingWorld, ring: PluginHook) -> None:
        metadata, identity = self.context.metadata, exchange.identity
        if identity is not None and "api_key" not in metadata:
            told.tell_caller(metadata, identity)
            self.context.session_id = _session(_caller(identity) or exchange.inbound.client)
        told.tell_candidates(metadata, exchange)
        if ring is PluginHook.POST_FLIGHT:
            told.tell_answer(metadata, exchange, world)
        elif ring is PluginHook.BACKGROUND:
            told.tell_end(metadata, exchange, world)

    def _refresh(self, exchange: Exchange, ring: PluginHook) -> None:
        context = self.context
        if ring not in AFTER_ANSWER:
            context.response = context.error = None
            self._refresh_request(exchange)
            return
        response = exchange.response
        if self._response is not None and response is self._response:
            return
        taken = self._given is not None and response is self._given
        if not taken:
            self._refresh_request(exchange)
        self._given, self._response = None, response
        if response is not None:
            self._show(exchange, response, keep=taken and context.response is not None)

    def _refresh_request(self, exchange: Exchange) -> None:
        """Makes the body anew where the request is another than the one it was made from."""
        try:
            self._read_request(exchange)
        except Malformed:
            if exchange.response is None:
                raise
            # Refused for that very reason: there is an answer to look at, and no request.

    def _read_request(self, exchange: Exchange) -> None:
        request = exchange.request
        if request is self._request and self._given is None:
            return
        body = self.context.body
        if self._request is None or not self._is_given(exchange, request):
            read = read_body(exchange, request)
            body = read | private_part(body) if self._request is not None else read
        try:
            self._public = public_part(body)
        except RecursionError as error:
            raise Malformed("the body: nested too deeply") from error
        self.context.body, self._request, self._given = body, request, None

    def _is_given(self, exchange: Exchange, request: Request) -> bool:
        given = self._given
        return given is not None and (exchange.inbound.body is given if isinstance(given, bytes) else given == request)

    def _show(self, exchange: Exchange, response: Response, *, keep: bool) -> None:
        """Lays the answer over the request. One that a plugin assigned stays as it was assigned, for the next one."""
        context = self.context
        if not keep:
            status = response.status if isinstance(response, ErrorResponse) else 200
            context.response = RingResponse(status, write_response(response), _headers(exchange))
        context.error = response.message if isinstance(response, ErrorResponse) else None
        fields = read_fields(content_of(context.response)[1])
        if "choices" not in fields and not isinstance(response, ErrorResponse):
            fields = read_fields(write_response(response))
        body = {name: value for name, value in context.body.items() if name not in OVERLAY}
        context.body = body | {name: fields[name] for name in OVERLAY if name in fields}
        self._public = public_part(context.body)


def _headers(exchange: Exchange) -> Mapping[str, str]:
    head = exchange.head
    return {} if head is None else {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}


def _caller(identity: Identity) -> str | None:
    return identity.credential or identity.user or identity.app


def _session(caller: str) -> str:
    """One word for one caller, and the same for as long as their credential lives."""
    return hashlib.sha256(caller.encode("utf-8", "replace")).hexdigest()[:SESSION_LENGTH]


def overlay_of(body: Body) -> Body:
    return {name: body[name] for name in OVERLAY if name in body}
