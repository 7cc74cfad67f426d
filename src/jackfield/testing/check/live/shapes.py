"""What each endpoint's answer must be, and what hosts can make less of than its author thinks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from jackfield.dialects.provider.metadata import (
    API_VERSION,
    CAPABILITIES,
    Capabilities,
    Metadata,
    check_api_version,
    read_capabilities,
    read_metadata,
)
from jackfield.dialects.provider.problems import Problem
from jackfield.runtimes.http.errors import STATUSES
from jackfield.testing.check.live.talk import Answer
from jackfield.testing.check.live.verdicts import Fault, as_faults, doubtful, wrong

FINISH_REASONS = ("stop", "length", "tool_calls", "function_call", "content_filter")
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def judge_success(answer: Answer) -> Iterator[Fault]:
    """What every endpoint owes: an answer, of a good status, in JSON."""
    if answer.silence:
        yield wrong(f"there was no answer: {answer.silence}")
    elif 300 <= answer.status < 400:
        yield wrong(f"answered {answer.status}: hosts follow no redirects")
    elif not answer.succeeded:
        yield wrong(f"answered {answer.status}{_said(answer.json)}")
    elif answer.body and answer.json is None:
        yield wrong("the answer is not JSON")


def _said(error: Any) -> str:
    if isinstance(error, dict) and error.get("code"):
        return f" {error['code']}: {error.get('message', '')}"
    return ""


def judge_metadata(answer: Answer) -> Iterator[Fault]:
    yield from (failed := list(judge_success(answer)))
    if failed:
        return
    metadata, problems = metadata_of(answer)
    yield from as_faults(problems)
    if not metadata.version:
        yield doubtful("there is no version: an upgrade cannot be told from what was there")
    if not metadata.plugin_api_version:
        yield doubtful(f"there is no plugin_api_version: hosts take it for {API_VERSION}")
    for field in metadata.config_schema:
        if not field.description:
            yield doubtful(f"config_schema: {field.name} has no description")


def metadata_of(answer: Answer) -> tuple[Metadata, list[Problem]]:
    """As a host reads it."""
    problems: list[Problem] = []
    metadata = read_metadata(answer.json, "", problems)
    unfit = check_api_version(metadata.plugin_api_version)
    return metadata, problems if unfit is None else [*problems, unfit]


def judge_health(answer: Answer) -> Iterator[Fault]:
    """But for whether it is well."""
    yield from (failed := list(judge_success(answer)))
    if failed:
        return
    health = answer.json
    if not isinstance(health, dict) or not isinstance(health.get("healthy"), bool):
        yield wrong("there is no healthy: true or false")
        return
    latency = health.get("latency_ms")
    if isinstance(latency, bool) or not isinstance(latency, int | float):
        yield doubtful("there is no latency_ms")
    yield from _judge_time(health.get("timestamp"))


def _judge_time(told: object) -> Iterator[Fault]:
    try:
        time = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        time = None
    if time is None:
        yield doubtful("there is no timestamp such as 2026-01-21T10:00:00Z")
    elif time.tzinfo is None:
        yield doubtful("the timestamp has no time zone: hosts take it for UTC, which it may not be")


def judge_models(answer: Answer, capabilities: Capabilities) -> Iterator[Fault]:
    if answer.status == 404:
        yield doubtful("is not there: operators must name its models themselves")
        return
    yield from (failed := list(judge_success(answer)))
    if failed:
        return
    listed = answer.json
    if isinstance(listed, dict):
        yield doubtful("the models are in an object: the guide has a bare list")
    models = models_of(answer)
    if models is None:
        yield wrong("is not a list")
    elif not models:
        yield doubtful("there is no model")
    for index, model in enumerate(models or ()):
        yield from _judge_model(model, f"[{index}]", capabilities)


def models_of(answer: Answer) -> list[Any] | None:
    listed = answer.json
    if isinstance(listed, dict):
        listed = listed.get("data", listed.get("models"))
    return listed if isinstance(listed, list) else None


def _judge_model(model: object, place: str, capabilities: Capabilities) -> Iterator[Fault]:
    if not isinstance(model, dict) or not (isinstance(model.get("id"), str) and model["id"]):
        yield wrong(f"{place} has no id")
        return
    price = model.get("cost_per_mtoken")
    if price is not None and (isinstance(price, bool) or not isinstance(price, int | float) or price < 0):
        yield wrong(f"{place}.cost_per_mtoken is not a price: USD for a million tokens")
    problems: list[Problem] = []
    claimed = read_capabilities(model.get("capabilities"), f"{place}.capabilities", problems)
    yield from as_faults(problems)
    for name in CAPABILITIES:
        if getattr(claimed, name) and not getattr(capabilities, name):
            yield doubtful(f"{place} claims {name}, which the provider itself does not: hosts believe the provider")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def judge_completion(answer: Answer) -> Iterator[Fault]:
    yield from (failed := list(judge_success(answer)))
    if failed:
        return
    body = _object(answer.json)
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        yield wrong("there are no choices")
        return
    for index, choice in enumerate(choices):
        yield from _judge_choice(_object(choice), f"choices[{index}]")
    for name, kind in (("id", str), ("model", str), ("created", int)):
        if not isinstance(body.get(name), kind):
            yield doubtful(f"there is no {name}")
    yield from judge_usage(body.get("usage"))


def _judge_choice(choice: Mapping[str, Any], place: str) -> Iterator[Fault]:
    message = _object(choice.get("message"))
    if not message:
        yield wrong(f"{place} has no message")
    elif message.get("role") != "assistant":
        yield wrong(f"{place}.message.role is not assistant")
    elif not isinstance(message.get("content"), str) and not message.get("tool_calls"):
        yield wrong(f"{place}.message has neither content nor tool_calls")
    if choice.get("finish_reason") not in FINISH_REASONS:
        yield doubtful(f"{place}.finish_reason is none of {', '.join(FINISH_REASONS)}")


def judge_usage(usage: object) -> Iterator[Fault]:
    if not isinstance(usage, dict):
        yield doubtful("there is no usage: what it costs cannot be told")
        return
    counts = [count for name in _COUNTS if type(count := usage.get(name)) is int and count >= 0]
    if len(counts) < len(_COUNTS):
        yield doubtful(f"usage must have whole numbers in {', '.join(_COUNTS)}")
    elif counts[0] + counts[1] != counts[2]:
        yield doubtful(f"usage does not add up: {counts[0]} + {counts[1]} is not {counts[2]}")
    cost = usage.get("cost_usd")
    if cost is not None and (isinstance(cost, bool) or not isinstance(cost, int | float) or cost < 0):
        yield wrong("usage.cost_usd is not a number of USD")


def judge_refusal(answer: Answer, wanted: str) -> Iterator[Fault]:
    """Of a request that is wrong."""
    if answer.silence:
        yield wrong(f"there was no answer: {answer.silence}")
        return
    if answer.succeeded:
        yield doubtful(f"was answered: {wanted}")
        return
    error = answer.json
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        yield doubtful(f"answered {answer.status} without a code: hosts make what they can of the status")
        return
    if answer.status >= 500:
        yield doubtful(f"answered {answer.status} where the request is wrong: hosts may try again elsewhere")
    yield from judge_error(error)


def judge_error(error: Mapping[str, Any]) -> Iterator[Fault]:
    if error.get("code") not in STATUSES:
        yield doubtful(f"the code {error.get('code')!r} is none of {', '.join(STATUSES)}")
    if not isinstance(error.get("message"), str) or not error["message"]:
        yield doubtful("the error has no message")
    if not isinstance(error.get("transient", False), bool):
        yield wrong("transient must be true or false")


def judge_absence(answer: Answer) -> Iterator[Fault]:
    """Of a path that no guide names."""
    if answer.silence:
        yield wrong(f"there was no answer: {answer.silence}")
    elif answer.status not in (404, 405):
        yield doubtful(f"answered {answer.status}: hosts ask for what may not be there, and expect 404")


def judge_nothing(answer: Answer, what: str) -> Iterator[Fault]:
    """Of calls whose answer says only that they succeeded."""
    if answer.status == 404:
        yield doubtful(f"is not there: {what}")
        return
    yield from judge_success(answer)
