"""Phases `response_head` and `response_body`: what the client gets of a whole answer, an error included."""

from __future__ import annotations

from functools import partial

import msgspec

from jackfield.errors import JackfieldError, PluginError, Refused, UpstreamRejected
from jackfield.hooks.dispatch import Unfinished, begin, conclude, decide
from jackfield.hooks.table import Hooks
from jackfield.pipeline.answers import Answer, Whole
from jackfield.pipeline.exchange import State, answer_headers, dated, error_response, write_names
from jackfield.sdk.context import Head
from jackfield.sdk.outcomes import Headers
from jackfield.wire.chat import ChatResponse, ErrorResponse, Response, TokenCount

FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"upgrade", b"trailer"})
JSON: Headers = ((b"content-type", b"application/json"),)
ESTIMATED = (b"x-jackfield-estimated", b"true")


def plain_answer(state: State, whole: Whole) -> Answer:
    """The upstream's own bytes, where no hook looks at them."""
    return Answer(Head(200, JSON + answer_headers(state) + whole.headers), whole.body)


async def respond(state: State, whole: Whole) -> Answer:
    """The client's answer. Never raises what a hook does: that has become the answer."""
    response, headers = whole.response, JSON + answer_headers(state) + whole.headers
    if isinstance(response, TokenCount) and response.estimated:
        headers = (*headers, ESTIMATED)
    head = Head(response.status if isinstance(response, ErrorResponse) else 200, headers)
    if not (state.row.response_head or state.row.collects):
        return _answer(state, head, whole, response)
    state.head = head
    state.response = response
    if state.row.response_head:
        await run_head_hooks(state)
    await run_body_hooks(state)
    if isinstance(state.response, ErrorResponse):
        return error_answer(state)
    head = state.head
    if isinstance(response, ErrorResponse):
        head = Head(200, tuple(pair for pair in head.headers if pair[0] != b"retry-after"))
    return _answer(state, head, whole, state.response)


def _answer(state: State, head: Head, whole: Whole, response: Response | None) -> Answer:
    """Fields that the client's format has no place for are named in a header, also those of the answer."""
    known = len(state.dropped)
    body = render(state, whole, response)
    if len(state.dropped) > known:
        head = head.with_header("x-jackfield-dropped", write_names(state.dropped))
    return Answer(head, body)


def error_answer(state: State) -> Answer:
    """The error that `state.response` is, with the headers that hooks have left in the head."""
    response, head, error = state.response, state.head, state.error
    assert isinstance(response, ErrorResponse)
    assert head is not None
    headers = head.with_header("content-type", "application/json").headers
    if error is not None and error.status == response.status and head.header("retry-after") is None:
        headers += _pause_of(error)
    return Answer(Head(response.status, headers), render_error(state, response))


async def respond_error(state: State, error: JackfieldError) -> Answer:
    """The answer to an exchange that failed or was refused."""
    state.fail(error)
    return await respond(state, Whole(response=error_response(error), headers=_pause_of(error)))


def _pause_of(error: JackfieldError) -> Headers:
    if error.retry_after_s is None:
        return ()
    return ((b"retry-after", b"%d" % max(1, -(-error.retry_after_s // 1))),)


def due(state: State, hooks: Hooks) -> Hooks:
    """Post hooks without those of plugins whose own pre hook was never reached; one that goes forward is no second
    half of anything."""
    if not state.skipped:
        return hooks
    return tuple(hook for hook in hooks if hook.spec.forward or hook.plugin not in state.skipped)


async def run_head_hooks(state: State) -> None:
    def replace(head: Head) -> str | None:
        framing = FRAMING.intersection(name for name, _ in head.headers)
        if framing:
            return f"set {next(iter(framing)).decode('latin-1')!r}, which is the gateway's own"
        state.head = head
        return None

    for hook in due(state, state.row.response_head):
        try:
            await decide((hook,), state.view, state.trace, replace)
        except JackfieldError as error:
            turn_into_error(state, error)
    state.trace.phase("response_head")


async def run_body_hooks(state: State, *, sent: bool = False) -> None:
    """Every hook runs, also after one of them has refused: the rest then see the refusal, but for those that see no
    errors. `sent` is whether the answer has gone out, so that nothing can be changed."""

    view, trace = state.view, state.trace
    for hook in due(state, state.row.response_body):
        if not hook.spec.sees_errors and isinstance(state.response, ErrorResponse):
            continue
        try:
            outcome = begin(hook, view, trace)
            if type(outcome) is Unfinished:
                outcome = await outcome.finish()
            if outcome is not None:
                conclude(hook, outcome, trace, partial(_replace_response, state, hook.plugin))  # type: ignore[arg-type]
        except JackfieldError as error:
            if sent and isinstance(error, Refused):
                hook.guard.refused_late(hook.name, state.id)
            turn_into_error(state, error)
    trace.phase("response_body")


def _replace_response(state: State, plugin: str, response: Response) -> None:
    if isinstance(state.response, ErrorResponse) and not isinstance(response, ErrorResponse):
        state.decided_by = plugin
    state.response = response


def turn_into_error(state: State, error: JackfieldError) -> None:
    """Where a plugin's failure has decided already, the next one tells the client nothing more."""
    told = isinstance(state.response, ErrorResponse) and isinstance(state.error, PluginError)
    if told and isinstance(error, PluginError):
        return
    state.fail(error)
    state.response = error_response(error)


def render(state: State, whole: Whole, response: Response | None) -> bytes:
    """The body in the client's format: the upstream's own bytes where nobody changed them."""
    own = state.route.format
    if response is whole.response and whole.format is own:
        return whole.body
    if response is None:
        assert whole.format is not None
        response = whole.format.decode_response(whole.body)
    if isinstance(response, ErrorResponse):
        return render_error(state, response)
    if isinstance(response, ChatResponse):
        response = dated(state, response)
    encoded = own.answering(state.body).encode_response(response)
    if encoded.dropped:
        state.dropped |= frozenset(encoded.dropped)
    return encoded.body


def is_object(body: bytes) -> bool:
    """Whether a body is a JSON object: what is not, such as a proxy's page, no client of an API could read."""
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return True


def render_error(state: State, response: ErrorResponse) -> bytes:
    """An upstream's own error body passes unchanged to a client of the same format."""
    error = state.error
    if (
        isinstance(error, UpstreamRejected)
        and error.format == state.client_format
        and error.message == response.message
        and is_object(error.body)
    ):
        return error.body
    told = JackfieldError(response.message, plugin=response.plugin, param=error.param if error else None)
    told.status, told.code = response.status, response.code
    return state.route.format.encode_error(told, state.id)
