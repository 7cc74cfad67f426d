"""The one place where a plugin's hook is called and where what it does wrong becomes an outcome.

A hook may raise anything, answer anything, wait for ever or swallow its cancellation. Each of these becomes one
failure, counted, reported, and turned by the hook's policy into `go on` or into an error that names the plugin. Only
the cancellation of the exchange itself passes through.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from jackfield.errors import Malformed, PluginError, PluginFailed, PluginQuarantined, PluginTimeout, Refused
from jackfield.hooks import watchdog
from jackfield.hooks.deadline import Expired, Resumed
from jackfield.hooks.table import BoundHook, Hooks
from jackfield.hooks.trace import PASSED, Trace
from jackfield.hooks.watchdog import BLOCKED_NS
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import RESPONSES
from jackfield.sdk.outcomes import Answer, Continue, Outcome, Reject, Replace
from jackfield.sdk.shapes import is_sound
from jackfield.telemetry.histogram import COUNTED_AT_ONCE
from jackfield.telemetry.text import describe_error
from jackfield.wire.base import Operation
from jackfield.wire.chat import ChatEvent


class Decision:
    """An outcome that ends a point, and the hook it came from."""

    __slots__ = ("hook", "outcome")

    def __init__(self, outcome: Outcome, hook: BoundHook) -> None:
        self.outcome, self.hook = outcome, hook


async def decide(
    hooks: Hooks, exchange: Exchange, trace: Trace, replace: Callable[[Any], str | None]
) -> Decision | None:
    """Asks each hook in turn. Replacements are applied between hooks; the first other outcome ends the asking.
    `replace` applies one, or tells why it cannot be, which is the hook's failure.

    Raises `Refused` for a rejection and a `PluginError` for a failure of a closed hook.
    """
    decision = begin_deciding(hooks, exchange, trace, replace)
    return await decision.finish() if isinstance(decision, Undecided) else decision


def begin_deciding(
    hooks: Hooks, exchange: Exchange, trace: Trace, replace: Callable[[Any], str | None]
) -> Decision | Undecided | None:
    """`decide` as far as it goes without waiting."""
    for place, hook in enumerate(hooks, 1):
        outcome = begin(hook, exchange, trace)
        if outcome is None:
            continue
        if type(outcome) is Unfinished:
            return Undecided(hook, outcome, hooks[place:], exchange, trace, replace)
        if (decision := conclude(hook, outcome, trace, replace)) is not None:  # type: ignore[arg-type]
            return decision
    return None


class Undecided:
    """Hooks of which one has begun to wait: `finish` asking, whatever happens meanwhile."""

    __slots__ = ("_exchange", "_hook", "_replace", "_rest", "_trace", "_unfinished")

    def __init__(
        self,
        hook: BoundHook,
        unfinished: Unfinished,
        rest: Hooks,
        exchange: Exchange,
        trace: Trace,
        replace: Callable[[Any], str | None],
    ) -> None:
        self._hook, self._unfinished, self._rest = hook, unfinished, rest
        self._exchange, self._trace, self._replace = exchange, trace, replace

    async def finish(self) -> Decision | None:
        """As `decide`."""
        outcome = await self._unfinished.finish()
        if outcome is not None:
            decision = conclude(self._hook, outcome, self._trace, self._replace)
            if decision is not None:
                return decision
        return await decide(self._rest, self._exchange, self._trace, self._replace)


def conclude(hook: BoundHook, outcome: Outcome, trace: Trace, replace: Callable[[Any], str | None]) -> Decision | None:
    """What an outcome comes to: see `decide`. `None` where the asking goes on."""
    if isinstance(outcome, Replace):
        wrong = replace(outcome.value)
        if wrong is not None:
            _failed(hook, trace, ValueError(wrong), perf_counter_ns(), 0)
        return None
    if isinstance(outcome, Reject):
        raise refusal(outcome, hook.plugin)
    return Decision(outcome, hook)


async def notify(hooks: Hooks, exchange: Exchange, trace: Trace) -> None:
    """Calls every hook; what they answer changes nothing."""
    for hook in hooks:
        try:
            await ask(hook, exchange, trace)
        except (PluginError, Malformed):
            continue  # ask has counted and reported it; observers do not decide


def refusal(outcome: Reject, plugin: str) -> Refused:
    return Refused(outcome.status, outcome.code, outcome.message, plugin=plugin, retry_after_s=outcome.retry_after_s)


async def ask(hook: BoundHook, exchange: Exchange, trace: Trace, event: ChatEvent | None = None) -> Outcome | None:
    """One call of one hook, with its deadline, policy and record. `None` means: go on."""
    outcome = begin(hook, exchange, trace, None, event)
    return await outcome.finish() if type(outcome) is Unfinished else outcome  # type: ignore[return-value]


class Unfinished:
    """A call that has begun to wait: `finish` it, whatever happens meanwhile."""

    __slots__ = ("_began", "_exchange", "_hook", "_resumed", "_trace")

    def __init__(self, hook: BoundHook, exchange: Exchange, trace: Trace, began: int, resumed: Resumed) -> None:
        self._hook, self._exchange, self._trace = hook, exchange, trace
        self._began, self._resumed = began, resumed

    async def finish(self) -> Outcome | None:
        """As `ask`."""
        try:
            answer = await self._resumed
        except BaseException as problem:  # noqa: BLE001 - as in `begin`
            _note_end(self._hook, self._exchange, self._trace, problem, self._began, self._resumed)
            return None
        spent = (self._resumed.loop_ns, self._resumed.longest_ns)
        return _note_answer(self._hook, self._exchange, self._trace, answer, self._began, spent)


def begin(
    hook: BoundHook,
    exchange: Exchange,
    trace: Trace,
    tally: Tally | None = None,
    event: ChatEvent | None = None,
) -> Outcome | Unfinished | None:
    """One call of one hook as far as it goes without waiting: most hooks never do, and need no coroutine of ours. Where
    there is a `tally` it may be counted in that."""
    guard = hook.guard
    breaker = guard.breaker
    if not (breaker.closed or breaker.allow()):
        _pass_over(hook, trace)
        return None
    began = perf_counter_ns()
    watchdog.since = began
    watchdog.running = hook
    try:
        coroutine = hook.call(exchange) if event is None else hook.call(exchange, event)
        try:
            pending = coroutine.send(None)  # type: ignore[attr-defined]
        except StopIteration as done:
            answer = done.value
        else:
            spent_ns = perf_counter_ns() - began
            return Unfinished(
                hook,
                exchange,
                trace,
                began,
                Resumed(hook, coroutine, pending, hook.deadline_s, spent_ns),  # type: ignore[arg-type]
            )
    except BaseException as problem:  # noqa: BLE001 - a plugin may raise anything; what is not its own is raised again
        _note_end(hook, exchange, trace, problem, began, None)
        return None
    finally:
        watchdog.running = None
    if answer is None and (event is None or tally is not None):
        duration = perf_counter_ns() - began
        if duration < hook.quick_ns and breaker.closed and not guard.in_a_row:
            # Of most calls there is nothing to note but that they passed.
            if tally is None:
                steps = guard.stats.steps
                steps.append(duration)
                if len(steps) >= COUNTED_AT_ONCE:
                    guard.stats.count_steps()
                trace.hooks_ns += duration
                trace.hooks.append((hook.point.name, hook.plugin, hook.name, PASSED, began, duration))
            else:
                if not tally.durations:
                    tally.began = began
                tally.durations.append(duration)
            return None
    return _note_answer(hook, exchange, trace, answer, began, None)


class Tally:
    """The calls of one hook in one stream of which nothing has to be noted but how many nanoseconds they took. They are
    counted together. `count` them before anybody looks, which is before the stream is waited for again."""

    __slots__ = ("_hook", "_trace", "began", "durations")

    def __init__(self, hook: BoundHook, trace: Trace) -> None:
        self._hook, self._trace = hook, trace
        self.durations: list[int] = []
        self.began = 0

    def count(self) -> None:
        durations, hook = self.durations, self._hook
        if durations:
            hook.guard.stats.add_steps(durations)
            self._trace.ran_often(hook.plugin, hook.name, PASSED, self.began, sum(durations), len(durations))
            durations.clear()


def _note_answer(
    hook: BoundHook, exchange: Exchange, trace: Trace, answer: Any, began: int, spent: tuple[int, int] | None
) -> Outcome | None:
    """Counts a call that has returned. `spent` is its time on the loop and the longest piece of it, where it has
    waited."""
    guard = hook.guard
    duration = perf_counter_ns() - began
    loop_ns, longest_ns = spent or (duration, duration)
    guard.stats.loop_ns += loop_ns
    if longest_ns > BLOCKED_NS:
        guard.blocked(hook, longest_ns)
    if loop_ns > hook.deadline_ns:
        _failed(hook, trace, Expired(), began, duration)
        return None
    if answer is None or type(answer) is Continue:
        if guard.in_a_row or not guard.breaker.closed:
            guard.succeeded(hook.name)
        guard.stats.add(duration)
        trace.ran(hook.point.name, hook.plugin, hook.name, PASSED, began, duration)
        return None
    return _answered(hook, exchange, trace, answer, began, duration)


def _note_end(
    hook: BoundHook, exchange: Exchange, trace: Trace, problem: BaseException, began: int, resumed: Resumed | None
) -> None:
    """A call that ended in an exception: counted as the plugin's failure, or passed on where it is not one."""
    duration = perf_counter_ns() - began
    loop_ns, longest_ns = (duration, duration) if resumed is None else (resumed.loop_ns, resumed.longest_ns)
    hook.guard.stats.loop_ns += loop_ns
    if longest_ns > BLOCKED_NS:
        hook.guard.blocked(hook, longest_ns)
    ended = _not_its_own(exchange, problem, resumed)
    if ended is None:
        _failed(hook, trace, problem, began, duration)
        return
    hook.guard.breaker.abandon()
    trace.ran(hook.point.name, hook.plugin, hook.name, ended, began, duration)
    raise problem


def _not_its_own(exchange: Exchange, problem: BaseException, resumed: Resumed | None) -> str | None:
    """What ended the exchange itself and not just the hook, if so: its task was cancelled or is being torn down, which
    can only be while the hook waits; or the client's body turned out to be wrong when the hook asked for it decoded."""
    if resumed is not None and resumed.interrupted:
        return "cancelled"
    return "malformed" if isinstance(problem, Malformed) and _is_malformed(exchange) else None


def _is_malformed(exchange: Exchange) -> bool:
    try:
        _ = exchange.model, exchange.request
    except Malformed:
        return True
    return False


def _answered(
    hook: BoundHook, exchange: Exchange, trace: Trace, answer: Any, began: int, duration: int
) -> Outcome | None:
    wrong = _wrong(hook, answer, exchange.operation)
    if wrong is not None:
        _failed(hook, trace, TypeError(wrong), began, duration)
        return None
    hook.guard.succeeded(hook.name)
    hook.guard.stats.add(duration)
    hook.guard.stats.blocks += type(answer) is Reject
    trace.ran(hook.point.name, hook.plugin, hook.name, type(answer).__name__.lower(), began, duration)
    outcome: Outcome = answer
    return outcome


def _wrong(hook: BoundHook, answer: Any, operation: Operation) -> str | None:
    """Why this answer is nonsense at this point, or `None`."""
    if type(answer) not in hook.point.outcomes:
        allowed = ", ".join(kind.__name__ for kind in hook.point.outcomes)
        return f"answered {type(answer).__name__}; {hook.point.name} takes None, {allowed}"
    if type(answer) is Answer and not isinstance(answer.response, RESPONSES[operation]):
        return f"answered a {type(answer.response).__name__} to {operation}"
    if type(answer) is Answer and not is_sound(answer.response):
        return f"answered a {type(answer.response).__name__} with wrong values in it"
    if type(answer) is Replace and not hook.point.accepts(answer.value, operation):
        wanted = " or ".join(kind.__name__ for kind in hook.point.replaces)
        return f"replaced with {_named(answer.value)}; {hook.point.name} takes a sound {wanted}"
    return None


def _named(value: object) -> str:
    """The type of a value; those of its items where it is a tuple."""
    return ", ".join(type(item).__name__ for item in (value if isinstance(value, tuple) else (value,)))


def _failed(hook: BoundHook, trace: Trace, problem: BaseException, began: int, duration: int) -> None:
    """Counts a failure; returns where the exchange goes on, raises the error of a closed hook."""
    timeout = isinstance(problem, Expired)
    told = f"no answer within {hook.deadline_s * 1000:g} ms" if timeout else describe_error(problem)
    hook.guard.stats.add(duration)
    hook.guard.failed(hook.name, told, problem, timeout=timeout)
    trace.ran(hook.point.name, hook.plugin, hook.name, "timeout" if timeout else "failed", began, duration)
    if not hook.closed:
        return
    if timeout:
        raise PluginTimeout(f"plugin {hook.plugin} did not answer in time ({hook.name})", plugin=hook.plugin) from None
    raise PluginFailed(f"plugin {hook.plugin} failed ({hook.name})", plugin=hook.plugin) from None


def _pass_over(hook: BoundHook, trace: Trace) -> None:
    trace.ran(hook.point.name, hook.plugin, hook.name, "quarantined", perf_counter_ns(), 0)
    if hook.closed:
        raise PluginQuarantined(
            f"plugin {hook.plugin} is quarantined after repeated failures",
            plugin=hook.plugin,
            retry_after_s=hook.guard.breaker.retry_after_s,
        )
