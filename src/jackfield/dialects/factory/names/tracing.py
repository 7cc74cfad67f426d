"""HTTP requests and answers on disk, one file each, without credentials."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from jackfield.dialects.factory.names.events import HookContext, HookEvent, HookLayer
from jackfield.sdk.context import CREDENTIAL_HEADERS
from jackfield.telemetry.masking import masked

__all__ = ["HttpTracer", "JsonTrace", "RawTrace"]

HIDDEN = "[hidden]"
_SECRET = {name.decode("latin-1") for name in CREDENTIAL_HEADERS} | {"set-cookie"}
_serial = itertools.count(1)


class JsonTrace:
    """`{request}_{number}_{what}.json` in `log_dir`."""

    def __init__(
        self,
        log_dir: str,
        verbose_api: bool = True,
        json_logs_enabled: bool = True,
        redact_sensitive: bool = True,
        truncate_body_preview: int = 1024,
        **_: Any,
    ) -> None:
        self.log_dir, self.enabled, self.verbose = log_dir, json_logs_enabled, verbose_api
        self.most = truncate_body_preview

    async def write(self, what: str, request: str, data: Mapping[str, Any]) -> None:
        told = {
            **data,
            "headers": hide(data.get("headers"), ()),
            "response_headers": hide(data.get("response_headers"), ()),
        }
        for name in ("body", "response_body", "body_raw", "chunk"):
            if name in told:
                told[name] = _as_text(told[name])[: self.most]
        if self.enabled:
            text = masked(json.dumps(told, default=str, indent=1, ensure_ascii=False))
            await asyncio.to_thread(_write, Path(self.log_dir), f"{request}_{next(_serial)}_{what}.json", text)


class RawTrace:
    """`{request}_{number}_{what}.http` in `log_dir`."""

    def __init__(
        self,
        log_dir: str,
        enabled: bool = True,
        log_client_request: bool = True,
        log_client_response: bool = True,
        log_provider_request: bool = True,
        log_provider_response: bool = True,
        max_body_size: int = 10 * 1024 * 1024,
        exclude_headers: Collection[str] | None = None,
        **_: Any,
    ) -> None:
        self.log_dir, self.enabled, self.most = log_dir, enabled, max_body_size
        self.hidden = tuple(name.lower() for name in exclude_headers or ())
        self.wanted = {
            "client_request": log_client_request,
            "client_response": log_client_response,
            "provider_request": log_provider_request,
            "provider_response": log_provider_response,
        }

    async def write(self, what: str, request: str, data: Mapping[str, Any]) -> None:
        if not self.enabled or not self.wanted.get(what, True):
            return
        is_answer = "status_code" in data
        first = f"HTTP/1.1 {data['status_code']}" if is_answer else f"{data.get('method')} {data.get('url')} HTTP/1.1"
        headers = hide(data.get("response_headers" if is_answer else "headers"), self.hidden)
        body = _as_text(data.get("response_body" if is_answer else "body"))[: self.most]
        text = "\n".join([first, *(f"{name}: {value}" for name, value in headers.items()), "", body])
        await asyncio.to_thread(_write, Path(self.log_dir), f"{request}_{next(_serial)}_{what}.http", masked(text))


class HttpTracer:
    """Tells both of every HTTP request and answer."""

    name = "http_tracer"
    events = (HookEvent.HTTP_REQUEST, HookEvent.HTTP_RESPONSE, HookEvent.HTTP_ERROR)
    priority = HookLayer.VALIDATION

    def __init__(
        self, json_formatter: JsonTrace | None = None, raw_formatter: RawTrace | None = None, enabled: bool = True
    ) -> None:
        self.traces = [trace for trace in (json_formatter, raw_formatter) if trace is not None and enabled]

    async def __call__(self, context: HookContext) -> None:
        side = (
            "client" if context.data.get("is_client_request") or context.data.get("is_client_response") else "provider"
        )
        kind = {HookEvent.HTTP_REQUEST: "request", HookEvent.HTTP_RESPONSE: "response"}.get(context.event, "error")
        for trace in self.traces:
            await trace.write(f"{side}_{kind}", str(context.metadata.get("request_id", "unknown")), context.data)


def hide(headers: Any, also: Collection[str]) -> dict[str, str]:
    """Whatever an author asks for, credentials are not among it."""
    given = headers if isinstance(headers, Mapping) else {}
    return {name: HIDDEN if name.lower() in _SECRET or name.lower() in also else value for name, value in given.items()}


def _as_text(body: Any) -> str:
    if body is None:
        return ""
    if isinstance(body, bytes | bytearray):
        return bytes(body).decode("utf-8", "replace")
    return body if isinstance(body, str) else json.dumps(body, default=str, ensure_ascii=False)


def _write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
