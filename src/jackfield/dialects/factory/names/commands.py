"""Commands that send a request again, and what belongs to them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["format_command_output", "generate_curl_command", "generate_curl_shell_script", "generate_xh_command"]


def _as_text(body: Any, is_json: bool, pretty: bool) -> str:
    if isinstance(body, bytes | bytearray):
        body = bytes(body).decode("utf-8", "replace")
    if isinstance(body, str):
        return body
    return json.dumps(body, indent=2 if pretty and is_json else None, ensure_ascii=False)


def _joined(words: list[list[str]], pretty: bool) -> str:
    return (" \\\n  " if pretty else " ").join(shlex.join(group) for group in words)


def generate_curl_command(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    is_json: bool = False,
    pretty: bool = True,
) -> str:
    words = [["curl", "-X", method.upper(), url]]
    words += [["-H", f"{name}: {value}"] for name, value in (headers or {}).items()]
    if body:
        words.append(["-d", _as_text(body, is_json, pretty)])
    return _joined(words, pretty)


def generate_xh_command(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    is_json: bool = False,
    pretty: bool = True,
) -> str:
    words = [["xh", method.upper(), url]]
    words += [[f"{name}:{value}"] for name, value in (headers or {}).items()]
    if body:
        words.append(["--raw", _as_text(body, is_json, pretty)])
    return _joined(words, pretty)


def format_command_output(
    request_id: str, curl_command: str = "", xh_command: str = "", provider: str | None = None
) -> str:
    title = f"Request {request_id}" + (f" to {provider}" if provider else "")
    return "\n\n".join(part for part in (title, curl_command, xh_command) if part)


def generate_curl_shell_script(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    is_json: bool = False,
) -> str:
    """Ends with a line break."""
    return generate_curl_command(method, url, headers, body, is_json) + "\n"
