"""What a provider says of itself while it runs: who it is, how it is, and what it offers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jackfield.dialects.provider.health import read_health, read_time
from jackfield.dialects.provider.metadata import (
    Capabilities,
    Metadata,
    check_api_version,
    compare_identity,
    read_metadata,
)
from jackfield.dialects.provider.models import read_models
from jackfield.dialects.provider.problems import Problem
from jackfield.dialects.provider.requests import fit_request
from jackfield.errors import UpstreamRejected
from jackfield.wire.chat import Usage

ALL = Capabilities(streaming=True, function_calling=True, vision=True)
NOON = datetime(2026, 1, 21, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-01-21T12:00:00Z", NOON),
        ("2026-01-21T12:00:00.123Z", NOON + 0.123),
        ("2026-01-21T12:00:00.123456", NOON + 0.123456),
        ("2026-01-21T14:00:00+02:00", NOON),
        (NOON, NOON),
        (NOON * 1000, NOON),
        ("yesterday", None),
        (None, None),
        (True, None),
        (float("inf"), None),
    ],
)
def test_times_are_read_in_each_way_that_the_guide_writes_them(value: Any, seconds: float | None) -> None:
    assert read_time(value) == (pytest.approx(seconds) if seconds is not None else None)


def test_health_is_read_and_nonsense_is_ill_health() -> None:
    found = read_health({"healthy": True, "message": "OK", "latency_ms": 5.0, "details": {"a": 1}}, 7.0)
    assert (found.healthy, found.message, found.latency_ms, found.at, found.details) == (True, "OK", 5, 7, {"a": 1})
    for nonsense in (None, [], {}, {"healthy": "yes"}, "OK"):
        found = read_health(nonsense, 7.0)
        assert not found.healthy
        assert "it answered no health" in found.message


def test_models_come_as_a_list_or_below_a_name() -> None:
    listed = [{"id": "a", "cost_per_mtoken": 0.01}, "b", {"id": ""}, {"id": "c", "cost_per_mtoken": -1}]
    for data in (listed, {"data": listed}, {"models": listed}):
        models, problems = read_models(data, ALL)
        assert list(models) == ["a", "b", "c"]
        assert [problem.field for problem in problems] == ["2.id", "3.cost_per_mtoken"]
    assert read_models("nothing", ALL) == ({}, [Problem("", "is no list of models")])


def test_a_model_can_what_its_provider_can_too() -> None:
    data = [{"id": "a", "capabilities": {"streaming": True, "vision": True}}, {"id": "b"}]
    models, _ = read_models(data, Capabilities(streaming=False, vision=True))
    assert (models["a"].capabilities.streaming, models["a"].capabilities.vision) == (False, True)
    assert (models["b"].capabilities.streaming, models["b"].capabilities.vision) == (False, True)


def test_a_price_is_for_a_million_tokens() -> None:
    models, _ = read_models([{"id": "a", "cost_per_mtoken": 0.01}, {"id": "b"}], ALL)
    assert models["a"].cost_nanousd(Usage(input=1000, output=500)) == 15_000
    assert models["b"].cost_nanousd(Usage(input=1000, output=500)) is None


def test_metadata_needs_a_name_and_a_type_and_nothing_else() -> None:
    problems: list[Problem] = []
    found = read_metadata({"name": "X", "provider_type": "x"}, "", problems)
    assert (found.name, found.provider_type, found.config_schema, problems) == ("X", "x", (), [])
    read_metadata({"version": "1"}, "", problems)
    assert [one.field for one in problems] == ["name", "provider_type"]


def test_identity_is_the_provider_type_and_other_words_may_differ() -> None:
    own = Metadata(name="A", provider_type="a", version="1", description="d", homepage="h")
    assert compare_identity(own, Metadata(name="A", provider_type="a", description="other")) == []
    (other,) = compare_identity(own, Metadata(name="A", provider_type="b"))
    assert (other.warning, other.message) == (False, "provider type mismatch: manifest=a, plugin=b")
    (newer,) = compare_identity(own, Metadata(name="A", provider_type="a", version="2"))
    assert newer.warning


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("", None), ("1.0.0", None), ("1.0", None), ("v1", None), ("1.1.0", True), ("soon", True), ("2.0.0", False)],
)
def test_the_same_major_version_is_spoken(version: str, verdict: bool | None) -> None:
    found = check_api_version(version)
    assert (None if found is None else found.warning) is verdict


BODY = b'{"model":"m","messages":[{"role":"user","content":"\\"tools\\" and image_url"}],"own":1}'


def test_a_request_that_fits_stays_as_it_is() -> None:
    assert fit_request(BODY, "m", Capabilities()) is BODY
    streaming = BODY[:-1] + b',"stream":true,"tools":[{"type":"function"}]}'
    assert fit_request(streaming, "m", ALL) is streaming
    assert fit_request(BODY[:-1] + b',"tools":[],"functions":null}', "m", Capabilities())


def test_who_does_not_stream_is_not_asked_to() -> None:
    fitted = fit_request(BODY[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}', "m", Capabilities())
    assert fitted == BODY


@pytest.mark.parametrize(
    "more",
    [
        b',"tools":[{"type":"function"}]}',
        b',"functions":[{"name":"f"}]}',
        b',"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://a"}}]}]}',
    ],
)
def test_what_a_model_cannot_is_refused_before_it_is_sent(more: bytes) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        fit_request(BODY[:-1] + more, "m", Capabilities(streaming=True))
    assert (caught.value.status, caught.value.code, caught.value.sent) == (400, "invalid_request", False)
