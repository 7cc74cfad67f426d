"""One provider from its metadata to its clean-up, in the order in which a host calls it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from jackfield.dialects.provider.config import expand
from jackfield.dialects.provider.metadata import Metadata, compare_identity
from jackfield.dialects.provider.schema import check_config
from jackfield.testing.check.live.configs import make_config, secrets_in, wrong_configs
from jackfield.testing.check.live.shapes import (
    judge_absence,
    judge_completion,
    judge_health,
    judge_metadata,
    judge_models,
    judge_nothing,
    judge_refusal,
    judge_success,
    metadata_of,
    models_of,
)
from jackfield.testing.check.live.streams import judge_stream
from jackfield.testing.check.live.talk import Answer, Talk, make_client
from jackfield.testing.check.live.verdicts import Fault, Verdict, as_faults, doubtful, wrong

# What hosts wait for.
METADATA_S, INITIALIZE_S, HEALTH_S, COMPLETION_S, CLEANUP_S = 5.0, 30.0, 10.0, 60.0, 5.0
TEST_MODEL = "test-model"

Config = Callable[[str], Mapping[str, Any]]
"""The operator's config of a provider, by its `provider_type`; empty where there is none."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as it has told of itself. `invented` are the settings whose values were made up."""

    metadata: Metadata
    config: Mapping[str, Any]
    invented: tuple[str, ...]

    def excuse(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """A provider that was given a key that opens nothing cannot do its work: that is no mistake of its own."""
        hint = f"; {' and '.join(self.invented)} had to be made up: give a config to tell"
        for fault in faults:
            if self.invented and fault.level == "error":
                yield doubtful(fault.message + hint)
            else:
                yield fault


async def check_endpoint(endpoint: str, config: Config, manifest: Metadata | None = None) -> list[Verdict]:
    """`manifest` is what a manifest tells of it."""
    client = make_client()
    try:
        talk = Talk(endpoint, client)
        await _go_through(talk, config, manifest)
        return talk.verdicts
    finally:
        await client.aclose()


async def _go_through(talk: Talk, config: Config, manifest: Metadata | None) -> None:
    subject = await _meet(talk, config, manifest)
    if subject is None:
        return
    await _try_wrong_configs(talk, subject)
    if not await _initialize(talk, subject):
        return
    await _check_health(talk, subject)
    model = await _list_models(talk, subject)
    await _complete(talk, subject, model)
    await _refuse(talk)
    await _clean_up(talk, subject)


async def _meet(talk: Talk, config: Config, manifest: Metadata | None) -> Subject | None:
    answer = await talk.get("/metadata", within=METADATA_S)
    faults = list(judge_metadata(answer))
    metadata, _ = metadata_of(answer)
    if manifest is not None and metadata.provider_type:
        faults += as_faults(compare_identity(manifest, metadata))
    told = f"{metadata.name} {metadata.version}, provider_type {metadata.provider_type}"
    if not talk.tell(answer, faults, told):
        return None
    filled, unfilled = expand(config(metadata.provider_type), metadata.config_schema, os.environ)
    given, invented = make_config(metadata.config_schema, filled)
    whole, unfit = check_config(given, metadata.config_schema)
    # What was made up may not fit: that is ours, and the hint of `excuse` tells of it.
    problems = unfilled + [problem for problem in unfit if problem.field not in invented]
    talk.keep_secret(secrets_in(metadata.config_schema, whole))
    if problems and not talk.tell(answer, as_faults(problems), step="the config that was given"):
        return None
    return Subject(metadata=metadata, config=whole, invented=invented)


async def _try_wrong_configs(talk: Talk, subject: Subject) -> None:
    for what, config in wrong_configs(subject.metadata.config_schema, subject.config):
        answer = await talk.post("/initialize", config, within=INITIALIZE_S)
        if answer.status != 404:
            wanted = f"though {what}"
            talk.tell(answer, judge_refusal(answer, wanted), "is refused", f"POST /initialize where {what}")


async def _initialize(talk: Talk, subject: Subject) -> bool:
    answer = await talk.post("/initialize", subject.config, within=INITIALIZE_S)
    faults = list(judge_nothing(answer, "no config can be given"))
    return talk.tell(answer, subject.excuse(faults), "takes its config") and not answer.silence and answer.status < 400


async def _check_health(talk: Talk, subject: Subject) -> None:
    answer = await talk.get("/health", within=HEALTH_S)
    faults = list(judge_health(answer))
    health = answer.json if isinstance(answer.json, dict) else {}
    if health.get("healthy") is False:
        faults += subject.excuse([wrong(f"is not healthy: {health.get('message') or 'it does not say why'}")])
    talk.tell(answer, faults, f"healthy, in {health.get('latency_ms')} ms")


async def _list_models(talk: Talk, subject: Subject) -> str:
    answer = await talk.get("/models", within=HEALTH_S)
    faults = judge_models(answer, subject.metadata.capabilities)
    models = [str(model["id"]) for model in models_of(answer) or () if isinstance(model, dict) and model.get("id")]
    talk.tell(answer, subject.excuse(faults), ", ".join(models))
    return models[0] if models else TEST_MODEL


async def _complete(talk: Talk, subject: Subject, model: str) -> None:
    body = _ask(model) | {"temperature": 0.7, "max_tokens": 1000}
    answer = await talk.post("/chat/completions", body, within=COMPLETION_S)
    if answer.status == 404 and subject.metadata.capabilities.embeddings:
        talk.tell(answer, [], "is not there: it has embeddings")
    elif (
        talk.tell(answer, subject.excuse(judge_completion(answer)), "completes")
        and subject.metadata.capabilities.streaming
    ):
        await _stream(talk, subject, model)
    if subject.metadata.capabilities.embeddings:
        await _embed(talk, subject, model)


async def _stream(talk: Talk, subject: Subject, model: str) -> None:
    body = _ask(model) | {"stream": True, "stream_options": {"include_usage": True}}
    answer = await talk.post("/chat/completions", body, within=COMPLETION_S, accept=b"text/event-stream")
    talk.tell(answer, subject.excuse(judge_stream(answer)), "streams", "POST /chat/completions with stream")


async def _embed(talk: Talk, subject: Subject, model: str) -> None:
    answer = await talk.post("/embeddings", {"model": model, "input": "Hello!"}, within=COMPLETION_S)
    faults = list(judge_success(answer))
    if not faults and not (isinstance(answer.json, dict) and answer.json.get("data")):
        faults.append(wrong("there is no data"))
    talk.tell(answer, subject.excuse(faults), "embeds")


def _ask(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}


async def _refuse(talk: Talk) -> None:
    """How it says no: to what is no request, to what is no JSON, to a path that it does not know."""
    answer = await talk.post("/chat/completions", {"model": TEST_MODEL}, within=COMPLETION_S)
    if answer.status != 404:
        talk.tell(answer, judge_refusal(answer, "without messages"), "is refused", f"{answer.step} without messages")
        answer = await talk.post("/chat/completions", b"{", within=COMPLETION_S)
        talk.tell(answer, judge_refusal(answer, "with no JSON"), "is refused", f"{answer.step} that is no JSON")
    absent = await talk.get("/no-such-path", within=METADATA_S)
    talk.tell(absent, judge_absence(absent), "is not there")


async def _clean_up(talk: Talk, subject: Subject) -> None:
    """And begins anew: that is what a host does with one that goes on running while its manifest changes."""
    answer = await talk.post("/cleanup", b"", within=CLEANUP_S)
    missing = "it is not told when it is no longer used"
    if talk.tell(answer, judge_nothing(answer, missing), "cleans up") and answer.succeeded:
        again = await talk.post("/initialize", subject.config, within=INITIALIZE_S)
        faults = judge_nothing(again, "no config can be given")
        talk.tell(again, subject.excuse(faults), "begins anew", "POST /initialize after /cleanup")
        await _leave_clean(talk)


async def _leave_clean(talk: Talk) -> Answer:
    return await talk.post("/cleanup", b"", within=CLEANUP_S)
