"""Phase `attempt`: asking upstreams until one answers."""

from __future__ import annotations

import asyncio
import random
from time import perf_counter_ns

import structlog

from jackfield.errors import (
    DeadlineExceeded,
    JackfieldError,
    Unavailable,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from jackfield.host.routes import UpstreamLink
from jackfield.pipeline.answers import Got
from jackfield.pipeline.ask import ask_upstream
from jackfield.pipeline.echoes import is_an_echo, told_to_operators
from jackfield.pipeline.exchange import State
from jackfield.pipeline.signed_in import ask_signed_in
from jackfield.sdk.context import Attempt, Candidate
from jackfield.transport.messages import Deadlines

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 20.0
_WORTH_ANOTHER = frozenset((401, 408, 409, 425, 429))

log = structlog.get_logger("jackfield.upstreams")


async def call(state: State, timeout_s: float) -> Got:
    """Tries the candidates in order, and again after a pause, until one answers.

    Raises the last `UpstreamError`, or `Unavailable` where every breaker is open. Nothing has been sent to the client
    yet, so any of them may answer.
    """
    failure: JackfieldError | None = None
    links = state.snapshot.routes.links
    left = [(candidate, links[candidate.upstream]) for candidate in state.candidates]
    not_before: dict[str, int] = {}
    turn = 0
    while left:
        for candidate, link in tuple(left):
            if not_before and perf_counter_ns() < not_before.get(link.name, 0):
                continue
            if not _may_ask(link):
                failure = failure or _unavailable(link)
                continue
            try:
                return await _attempt(state, link, candidate, _deadlines(state, link, timeout_s))
            except UpstreamError as error:
                if not worth_another(error):
                    raise
                failure = error
                if error.retry_after_s is not None:
                    not_before[link.name] = perf_counter_ns() + int(error.retry_after_s * 1e9)
                if is_final(error):
                    left.remove((candidate, link))
        turn += 1
        left = [pair for pair in left if turn <= pair[1].max_retries and pair[1].breaker.state != "open"]
        if left and not await _pause(state, turn, [not_before.get(link.name, 0) for _, link in left], timeout_s):
            break
    raise failure or Unavailable("no upstream is able to serve this model")


def worth_another(error: UpstreamError) -> bool:
    """Whether another upstream, or the same one later, may do better. What the client got wrong stays wrong."""
    if isinstance(error, UpstreamRejected):
        return error.again is True or not error.sent or error.status >= 500 or error.status in _WORTH_ANOTHER
    return error.transient


def is_final(error: UpstreamError) -> bool:
    """Whether the same upstream is not to be asked again, whatever another one may do."""
    return isinstance(error, UpstreamTimeout) or (isinstance(error, UpstreamRejected) and error.again is False)


async def _pause(state: State, turn: int, not_before: list[int], timeout_s: float) -> bool:
    """Waits before another turn, until one of the upstreams may be asked again; `False` where that would be too long to
    be worth it."""
    now = perf_counter_ns()
    wanted = FIRST_PAUSE_S * 2 ** (turn - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
    wanted = max(wanted, (min(not_before) - now) / 1e9)
    left_s = timeout_s - (now - state.began) / 1e9
    if wanted > min(LONGEST_PAUSE_S, left_s):
        return False
    await asyncio.sleep(wanted)
    return True


def _may_ask(link: UpstreamLink) -> bool:
    """A provider may have fallen ill since it was chosen, or not be ready again."""
    return (link.live is None or link.trouble is None) and link.breaker.allow()


def _unavailable(link: UpstreamLink) -> Unavailable:
    if link.trouble is not None:
        return Unavailable(f"upstream {link.name} is not able to serve now")
    return Unavailable(
        f"upstream {link.name} is paused after repeated failures", retry_after_s=link.breaker.retry_after_s
    )


def _deadlines(state: State, link: UpstreamLink, timeout_s: float) -> Deadlines:
    """The upstream's own, or what is left of the request's time where that is less."""
    own = link.deadlines
    if not state.attempts and own.whole_s is not None and own.whole_s <= timeout_s:
        return own
    left_s = timeout_s - (perf_counter_ns() - state.began) / 1e9
    if left_s <= 0:
        raise DeadlineExceeded(f"no upstream answered within {timeout_s:g} s")
    return Deadlines(
        min(own.connect_s, left_s), min(own.first_byte_s, left_s), own.idle_s, min(own.whole_s or left_s, left_s)
    )


async def _attempt(state: State, link: UpstreamLink, candidate: Candidate, deadlines: Deadlines) -> Got:
    """One try: its outcome is told to the breaker and kept with the exchange."""
    began = perf_counter_ns()
    state.trying, state.upstream_ns = candidate, None
    try:
        ask = ask_upstream if link.account is None else ask_signed_in
        got = await ask(state, link, candidate, deadlines)
    except UpstreamError as error:
        _tell_breaker(link, error)
        _note(state, candidate, began, error)
        shown = for_client(link.explain(error), link.name)
        if is_an_echo(shown.code, state.inbound.body):
            shown.code = type(shown).code  # it is written into records, metrics and lines
        raise shown from error
    except asyncio.CancelledError:
        link.breaker.abandon()
        _keep(state, candidate, began, None, "given up before it answered")
        raise
    except BaseException:
        link.breaker.abandon()
        raise
    link.breaker.success()
    state.served_by = candidate
    _keep(state, candidate, began, 200, None)
    return got


def _tell_breaker(link: UpstreamLink, error: UpstreamError) -> None:
    """An upstream that refuses a request is alive; one that is too busy, or was not asked, has said nothing of its
    health."""
    if not isinstance(error, UpstreamRejected) or (error.status >= 500 and error.sent):
        link.breaker.failure()
    elif error.status == 429 or not error.sent:
        link.breaker.abandon()
    else:
        link.breaker.success()


def _note(state: State, candidate: Candidate, began: int, error: UpstreamError) -> None:
    status = error.status if isinstance(error, UpstreamRejected) else None
    told = told_to_operators(error.message, state.inbound.body, (state.model, candidate.model))
    _keep(state, candidate, began, status, told)
    log.warning("upstream_failed", upstream=candidate.upstream, request=state.id, status=status, error=told)


def _keep(state: State, candidate: Candidate, began: int, status: int | None, told: str | None) -> None:
    duration = perf_counter_ns() - began
    state.upstream_ns = duration
    attempt = Attempt(
        upstream=candidate.upstream,
        model=candidate.model,
        status=status,
        error=told,
        duration_ms=duration / 1e6,
        at_ms=(began - state.began) / 1e6,
    )
    state.attempts = (*state.attempts, attempt)


def for_client(error: UpstreamError, upstream: str) -> UpstreamError:
    """The error as a client may see it: where an upstream lives and how it is called is the operator's business."""
    if isinstance(error, UpstreamRejected):
        if error.status != 401:
            return error
        return UpstreamRejected(502, f"upstream {upstream} refused the gateway's credential")
    if isinstance(error, UpstreamTimeout):
        told: UpstreamError = UpstreamTimeout(f"upstream {upstream} did not answer in time", sent=error.sent)
    elif isinstance(error, UpstreamBroken):
        told = UpstreamBroken(f"upstream {upstream} broke off or answered nonsense", sent=error.sent)
    else:
        told = UpstreamError(f"upstream {upstream} could not be reached", sent=error.sent)
        told.code = error.code
    return told
