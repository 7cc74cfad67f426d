"""One exchange for people: phase by phase, each hook with what it changed, and the answer."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from jackfield.sdk.hooks import POINTS
from jackfield.testing.changes import shorten
from jackfield.wire.chat import ChatResponse

if TYPE_CHECKING:
    from jackfield.testing.host import FakeHost
    from jackfield.testing.trial import HookCall, Phase, Trial

MOST_CHANGES = 20
# Points that are part of a longer phase, and those whose phase is told by another name.
PHASE_OF = {"response_chunk": "response"}


def print_trial(host: FakeHost, path: str, trial: Trial) -> None:
    for line in describe_trial(host, path, trial):
        typer.echo(line)


def describe_trial(host: FakeHost, path: str, trial: Trial) -> Iterator[str]:
    yield f"{host.id} {host.manifest.version}" + (f": degraded, {host.degraded}" if host.degraded else "")
    yield f"POST {path}"
    yield ""
    yield from _describe_phases(trial)
    yield ""
    yield from _describe_answer(trial)


def _describe_phases(trial: Trial) -> Iterator[str]:
    phases = {phase.name: phase for phase in trial.phases}
    for point in POINTS:
        phase = phases.get(PHASE_OF.get(point, point))
        calls = [call for call in trial.hooks if call.point == point]
        if phase is None and not calls:
            continue
        yield _headline(point if calls else PHASE_OF.get(point, point), phase)
        for call in calls:
            yield from _describe_call(call)
        if point == "attempt":
            yield from (f"  sent to {sent.upstream}: {sent.url}, {len(sent.body)} bytes" for sent in trial.sent)


def _headline(point: str, phase: Phase | None) -> str:
    return point if phase is None else f"{point:<15}{phase.ms:9.3f} ms"


def _describe_call(call: HookCall) -> Iterator[str]:
    times = f" x {call.times}" if call.times > 1 else ""
    yield f"  {call.plugin}.{call.hook:<20} {call.outcome:<12}{call.ms:9.3f} ms{times}"
    lines = [line for change in call.changes for line in change.lines()]
    yield from (f"      {line}" for line in lines[:MOST_CHANGES])
    if len(lines) > MOST_CHANGES:
        yield f"      and {len(lines) - MOST_CHANGES} more changes"
    if call.error is not None and call.is_trouble:
        yield f"      {describe_error(call.error)}"
    elif call.answer is not None and not call.changes:
        yield f"      {shorten(call.answer)}"


def describe_error(error: BaseException) -> str:
    """The exception and the last line of the plugin's own that it came through."""
    told = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{told} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else told


def _describe_answer(trial: Trial) -> Iterator[str]:
    spent = f", {trial.record.total_ms:.3f} ms" if trial.record is not None and trial.record.total_ms else ""
    yield f"answer: {trial.status}{', a stream' if trial.stream else ''}, {len(trial.body)} bytes{spent}"
    if trial.error is not None:
        decided = f" by {trial.error.plugin}" if trial.error.plugin else ""
        yield f"  {trial.error.code}{decided}: {trial.error.message}"
    yield from (f"  {line}" for line in trial.text.splitlines())
    if isinstance(trial.answer, ChatResponse):
        for call in (call for choice in trial.answer.choices for call in choice.message.tool_calls()):
            yield f"  tool call {call.name}({call.arguments})"
