"""The head of an answer that took several turns."""

from __future__ import annotations

from jackfield.agents.loop import Run
from jackfield.pipeline.exchange import write_names, write_usd
from jackfield.sdk.context import Head

TURNS, STOPPED, COST, DROPPED = (
    "x-jackfield-turns",
    "x-jackfield-stopped",
    "x-jackfield-cost-usd",
    "x-jackfield-dropped",
)
# That a tool failed is said in the result's text too: nothing was lost.
_OURS = frozenset({"content.is_error"})


def whole_head(run: Run, dropped: tuple[str, ...] = ()) -> Head:
    """The last turn's, with the request's own id and what all turns came to."""
    tally = run.tally
    head = Head(200, _without(run.head, COST, DROPPED)).with_header("x-request-id", run.first.id)
    if head.header("request-id") is not None:
        head = head.with_header("request-id", run.first.id)
    head = head.with_header(TURNS, str(max(tally.turns, 1)))
    if tally.cost_usd is not None:
        head = head.with_header(COST, write_usd(tally.cost_usd).decode())
    if lost := (tally.dropped | frozenset(dropped)) - _OURS:
        head = head.with_header(DROPPED, write_names(lost))
    return head if tally.stopped is None else head.with_header(STOPPED, tally.stopped)


def stream_head(run: Run) -> Head:
    """The first turn's, without a cost that would be its alone."""
    return Head(run.head.status, _without(run.head, COST))


def _without(head: Head, *names: str) -> tuple[tuple[bytes, bytes], ...]:
    gone = {name.encode() for name in names}
    return tuple(pair for pair in head.headers if pair[0] not in gone)
