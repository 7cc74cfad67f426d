"""One question to an upstream that accounts are signed in to: by the next of them where one is refused."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

import msgspec
import structlog

from jackfield.control.accounts.accounts import AccountUse
from jackfield.errors import JackfieldError, RateLimited, Unavailable, UpstreamRejected, UpstreamTimeout
from jackfield.host.routes import UpstreamLink
from jackfield.pipeline.answers import Got
from jackfield.pipeline.ask import ask_upstream
from jackfield.pipeline.exchange import State
from jackfield.sdk.context import Candidate
from jackfield.sdk.sign_in import CredentialHeader
from jackfield.transport.messages import Deadlines

log = structlog.get_logger("jackfield.upstreams")


async def ask_signed_in(state: State, link: UpstreamLink, candidate: Candidate, deadlines: Deadlines) -> Got:
    """Nothing has been sent to the client when an account is refused, so the next may answer; all within the deadlines
    of one attempt. Raises `UpstreamRejected` with 429 and the shortest wait where all accounts rest."""
    assert link.account is not None
    began = perf_counter_ns()
    passed: set[str] = set()
    doubted: set[str] = set()
    while True:
        left = _left(deadlines, began, link)
        held = await _take(link.account, passed, left, link)
        try:
            return await ask_upstream(state, link, candidate, left, held)
        except UpstreamRejected as error:
            if not link.account.report(held, error.status, error.retry_after_s):
                raise
            if error.status == 429 or held.account in doubted:
                passed.add(held.account)
            doubted.add(held.account)
            log.info("account_refused", upstream=link.name, request=state.id, account=held.account, status=error.status)


async def _take(use: AccountUse, passed: set[str], left: Deadlines, link: UpstreamLink) -> CredentialHeader:
    try:
        async with asyncio.timeout(left.whole_s):
            return await use.take(passed)
    except TimeoutError:
        raise UpstreamTimeout(f"{link.name}: no account was renewed in time", sent=False) from None
    except (RateLimited, Unavailable) as none_left:
        log.warning("no_account", upstream=link.name, reason=none_left.message)
        raise _told(none_left, link) from none_left


def _told(error: JackfieldError, link: UpstreamLink) -> UpstreamRejected:
    """As a client may see it; another upstream may do better."""
    if isinstance(error, RateLimited):
        message, again = f"upstream {link.name} is at the limit of all its accounts", None
    else:
        message, again = f"upstream {link.name} has no account that can be used", False
    return UpstreamRejected(
        error.status, message, code=error.code, retry_after_s=error.retry_after_s, again=again, sent=False
    )


def _left(deadlines: Deadlines, began: int, link: UpstreamLink) -> Deadlines:
    if deadlines.whole_s is None:
        return deadlines
    left_s = deadlines.whole_s - (perf_counter_ns() - began) / 1e9
    if left_s <= 0:
        raise UpstreamTimeout(f"{link.name}: its accounts were refused until the time was over", sent=False)
    return msgspec.structs.replace(
        deadlines,
        connect_s=min(deadlines.connect_s, left_s),
        first_byte_s=min(deadlines.first_byte_s, left_s),
        whole_s=left_s,
    )
