"""Whether what happened is what a hook's failure policy promises."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jackfield.hooks.table import BoundHook
from jackfield.testing.faults import Fault
from jackfield.testing.injection import HookKey, key_of
from jackfield.testing.trial import HookCall, Trial

BEFORE_UPSTREAM = frozenset({"ingress", "auth", "pre_flight", "routing", "attempt"})
AFTER_UPSTREAM = frozenset({"response_head", "response_chunk", "response_body"})
STATUS: Mapping[str, tuple[int, str]] = {
    "failed": (502, "plugin_failed"),
    "timeout": (504, "plugin_timeout"),
    "quarantined": (503, "plugin_quarantined"),
}


@dataclass(frozen=True)
class Face:
    """An exchange as far as others can see it."""

    status: int
    error: tuple[str, str | None] | None
    text: str
    sent: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, trial: Trial) -> Face:
        error = None if trial.error is None else (trial.error.code, trial.error.plugin)
        return cls(trial.status, error, trial.text, tuple((one.url, one.body) for one in trial.sent))

    def steady(self, unsteady: Collection[str]) -> Face:
        """Without what differs from one run to another though nothing is wrong."""
        return replace(self, text="" if "text" in unsteady else self.text, sent=() if "sent" in unsteady else self.sent)

    def __str__(self) -> str:
        return str(self.status) if self.error is None else f"{self.status} {self.error[0]}"


@dataclass(frozen=True)
class Verdict:
    """What one fault in one place has shown. `told` is empty where the policy holds; `applies` is whether the fault
    could strike there at all."""

    hook: str
    point: str
    policy: str
    fault: str
    told: tuple[str, ...] = ()
    applies: bool = True

    @property
    def holds(self) -> bool:
        return not self.told

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "told": list(self.told), "holds": self.holds}


class Judge:
    """Knows one hook, and how exchanges look without it."""

    def __init__(
        self, hook: BoundHook, without: Collection[Face], unsteady: Collection[str] = (), *, keeps_record: bool = True
    ) -> None:
        """`keeps_record` is whether no other hook of the plugin keeps the record in the gateway's place."""
        self._hook, self._unsteady, self._keeps_record = hook, unsteady, keeps_record
        self._without = [face.steady(unsteady) for face in without]
        self.key: HookKey = key_of(hook)

    def judge(self, trial: Trial, fault: Fault) -> Iterator[str]:
        """What of this exchange is not as promised."""
        calls = [call for call in trial.hooks if (call.point, call.hook) == self.key]
        if not calls:
            return
        wrong = {call.outcome for call in calls} - {fault.expected}
        if fault.expected != "any" and wrong:
            yield f"is recorded as {', '.join(sorted(wrong))}, not as {fault.expected}"
        broken = next((call for call in calls if call.outcome in ("failed", "timeout")), None)
        if broken is not None:
            yield from self._judge_failure(trial, broken)

    def _judge_failure(self, trial: Trial, call: HookCall) -> Iterator[str]:
        if self._hook.closed and not self._only_observes(trial):
            yield from judge_refusal(trial, call)
        else:
            yield from self._judge_going_on(trial)
        if trial.record is None and self._keeps_record:
            yield "leaves the exchange without a record"

    def _only_observes(self, trial: Trial) -> bool:
        """On a stream that is not held all has been sent when the whole is known."""
        return trial.stream and self._hook.point.name == "response_body" and not self._hook.spec.edits

    def _judge_going_on(self, trial: Trial) -> Iterator[str]:
        face = Face.of(trial).steady(self._unsteady)
        if any(call.plugin == self._hook.plugin and call.outcome == "quarantined" for call in trial.hooks):
            return  # this failure has brought the plugin into quarantine, where its closed hooks refuse
        if face.status not in {other.status for other in self._without} or (
            trial.error is not None and trial.error.plugin == self._hook.plugin
        ):
            yield f"does not let the exchange go on: it ended in {face}"
        elif face.sent not in {other.sent for other in self._without}:
            yield "leaves half-made changes in the request"
        elif self._hook.point.name in AFTER_UPSTREAM and face.text not in {other.text for other in self._without}:
            yield f"leaves half-made changes in the answer: {face.text[:60]!r}"


def judge_refusal(trial: Trial, call: HookCall) -> Iterator[str]:
    """Whether a closed hook's failure has refused the exchange, in its plugin's name."""
    status, code = STATUS[call.outcome]
    # One exchange can both bring its plugin into quarantine and meet it there.
    told = {STATUS[each.outcome] for each in trial.hooks if each.plugin == call.plugin and each.is_trouble}
    error = trial.error
    if error is None:
        yield f"is closed, and yet the exchange ended in {trial.status}"
        return
    if not trial.stream and (error.status, error.code) not in told:
        yield f"refuses with {error.status} {error.code}, not {status} {code}"
    if error.plugin != call.plugin:
        yield f"refuses in the name of {error.plugin or 'nobody'}"
    if call.point in BEFORE_UPSTREAM and trial.sent:
        yield "refuses only after an upstream was asked"


def judge_quarantine(
    trial: Trial, plugin: str, hooks: Collection[BoundHook], plain: Collection[Face], unsteady: Collection[str]
) -> Iterator[str]:
    """Whether all of a quarantined plugin is passed over: closed hooks refuse, open ones are as if they were not."""
    mine = [call for call in trial.hooks if call.plugin == plugin]
    if ran := [call.hook for call in mine if call.outcome != "quarantined"]:
        yield f"is quarantined, and yet {', '.join(sorted(set(ran)))} ran"
    closed = {key_of(hook) for hook in hooks if hook.closed}
    refusing = next(
        (call for call in mine if (call.point, call.hook) in closed and call.point in BEFORE_UPSTREAM), None
    )
    if refusing is not None:
        yield from judge_refusal(trial, refusing)
    elif not any((call.point, call.hook) in closed for call in mine) and Face.of(trial) not in plain:
        yield f"is quarantined and open, and yet the exchange ended in {Face.of(trial)}"
