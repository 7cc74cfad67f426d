"""What services say when they fail, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.errors import ConnectFailed, UpstreamBroken, UpstreamTimeout
from jackfield.runtimes.http.errors import fault_of_transport, is_fault, not_understood, read_fault


def read(status: int, body: Any) -> Any:
    return read_fault(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_what_a_plugin_says_counts_more_than_its_status() -> None:
    told = {"code": "provider_unavailable", "message": "down", "transient": True, "details": {"retry_after": 60}}
    found = read(500, told)
    assert (found.code, found.message, found.transient, found.status) == ("provider_unavailable", "down", True, 503)
    assert (found.retry_after_s, found.stated, str(found)) == (60, True, "provider_unavailable: down")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("authentication_failed", 502), ("rate_limit_exceeded", 429), ("quota_exceeded", 429), ("invalid_request", 400),
        ("content_filter", 400), ("model_not_found", 404), ("provider_unavailable", 503), ("timeout", 504),
        ("internal_error", 502),
    ],
)  # fmt: skip
def test_each_code_has_its_status_and_a_stated_one_is_not_transient_by_itself(code: str, status: int) -> None:
    found = read(400, {"code": code, "message": "m"})
    assert (found.code, found.status, found.transient) == (code, status, False)


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (400, "invalid_request", False), (422, "invalid_request", False), (401, "authentication_failed", False),
        (403, "authentication_failed", False), (402, "quota_exceeded", False), (404, "internal_error", False),
        (408, "timeout", True), (504, "timeout", True), (429, "rate_limit_exceeded", True),
        (502, "provider_unavailable", True), (503, "provider_unavailable", True), (500, "internal_error", False),
        (418, "invalid_request", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>\n<p>bad gateway</p>", b"", b'{"error":"x"}', b"\xff"])
def test_without_a_code_the_status_tells(status: int, code: str, transient: bool, body: bytes) -> None:
    found = read(status, body)
    assert (found.code, found.transient, found.stated) == (code, transient, False)
    assert found.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "wrong key", "type": "auth", "code": "invalid_api_key"}}, "wrong key"),
        ({"error": "upstream says no"}, "upstream says no"),
        ({"detail": "not found here"}, "not found here"),
        ({"code": 7, "message": "m"}, "m"),
        (b"bad gateway", "status 502: bad gateway"),
        (b"", "status 502: nothing"),
    ],
)
def test_the_message_is_found_wherever_it_is(body: Any, message: str) -> None:
    assert read(502, body).message == message


def test_a_404_of_a_completion_may_mean_the_model() -> None:
    assert read_fault(404, b"no", about_model=True).code == "model_not_found"


@pytest.mark.parametrize("given", [-1, "soon", True, None, 1e9, [], "nan"])
def test_nonsense_in_retry_after_counts_as_not_given(given: Any) -> None:
    found = read(429, {"code": "rate_limit_exceeded", "message": "m", "details": {"retry_after": given}})
    assert found.retry_after_s is None


def test_what_is_too_much_is_cut_and_secrets_are_masked() -> None:
    found = read(
        500, {"code": "x" * 5000, "message": "key sk-abcdefghijklmnop " * 1000, "details": {"a": "x" * 50_000}}
    )
    assert (len(found.code), len(found.message) <= 2_000, found.details) == (100, True, {})
    assert "abcdefghijklmnop" not in found.message
    assert len(read(500, b"x" * 100_000).message) < 400


def test_the_way_there_has_faults_of_its_own() -> None:
    gone = fault_of_transport(ConnectFailed("http://a: refused"))
    assert (gone.code, gone.transient, gone.reached, gone.status) == ("provider_unavailable", True, False, 503)
    late = fault_of_transport(UpstreamTimeout("whole_s = 1 s passed"))
    assert (late.code, late.transient, late.reached, late.status) == ("timeout", True, True, 504)
    cut = fault_of_transport(UpstreamBroken("cut"))
    assert (cut.code, cut.transient, cut.reached) == ("provider_unavailable", True, True)
    assert not_understood(b"<html>", "it answered what is not JSON").message == "it answered what is not JSON: <html>"


def test_an_error_is_told_from_an_answer() -> None:
    assert is_fault({"code": "a", "message": "b"})
    assert not is_fault({"code": "a", "message": "b", "choices": []})
    assert not is_fault({"code": 1, "message": "b"})
    assert not is_fault([])
