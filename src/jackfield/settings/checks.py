"""What no single field can tell: names used twice, missing keys, an upstream that is the gateway itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from jackfield.settings.lines import Path as FieldPath
from jackfield.settings.model import (
    FromVariable,
    PluginSettings,
    ServerSettings,
    StoreSettings,
    Upstream,
    UsageSettings,
)
from jackfield.settings.secret import Secret

Problem = tuple[FieldPath, str]
Numbered = Iterable[tuple[int, Upstream]]


def check_names(upstreams: Numbered) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, upstream in upstreams:
        if upstream.name in first:
            yield (
                ("upstreams", index, "name"),
                f"the name '{upstream.name}' is already that of upstreams[{first[upstream.name]}]",
            )
        first.setdefault(upstream.name, index)


def check_not_itself(upstreams: Numbered, server: ServerSettings) -> Iterator[Problem]:
    for index, upstream in upstreams:
        if upstream.base_url and _reaches(upstream.base_url, server):
            yield (
                ("upstreams", index, "base_url"),
                f"upstream '{upstream.name}' points at this gateway itself ({upstream.base_url})",
            )


def _reaches(base_url: str, server: ServerSettings) -> bool:
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port != server.port:
        return False
    theirs, ours = _host(parts.hostname or ""), _host(server.host)
    return theirs == ours or (theirs == "loopback" and ours == "any") or theirs == "any"


def _host(name: str) -> str:
    """`loopback`, `any`, or the host itself."""
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return "loopback"
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_unspecified:
        return "any"
    return "loopback" if address.is_loopback else str(address)


def check_folders(plugins: PluginSettings) -> Iterator[Problem]:
    for index, folder in enumerate(plugins.dirs):
        if not folder.is_dir():
            yield ("plugins", "dirs", index), f"there is no folder {folder}"


def check_available(store: StoreSettings) -> Iterator[Problem]:
    """What has a name but no effect yet is refused: nobody shall rely on it."""
    if store.redis is not None:
        yield ("store", "redis"), "Redis is not used by this version; leave it out"


def check_price_files(usage: UsageSettings) -> Iterator[Problem]:
    for index, file in enumerate(usage.prices):
        if not file.is_file():
            yield ("usage", "prices", index), f"there is no file {file}"


def take_secrets(upstreams: Numbered, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Gives each upstream its key and header values, and tells what is missing for that."""
    for index, upstream in upstreams:
        path: FieldPath = ("upstreams", index)
        problems: list[Problem] = []
        key = _find_key(upstream, path, environ, problems)
        headers = _find_headers(upstream, path, environ, problems)
        upstream.take_secrets(key, headers)
        yield from problems
        if upstream.tls_ca_file and not upstream.tls_ca_file.is_file():
            yield (
                (*path, "tls_ca_file"),
                f"upstream '{upstream.name}': there is no file {upstream.tls_ca_file}",
            )


def _find_key(
    upstream: Upstream, path: FieldPath, environ: Mapping[str, str], problems: list[Problem]
) -> Secret | None:
    if upstream.api_key_env and upstream.api_key_file:
        problems.append(((*path, "api_key_file"), f"upstream '{upstream.name}' has both api_key_env and api_key_file"))
    elif upstream.api_key_env:
        return _read_variable(upstream, (*path, "api_key_env"), upstream.api_key_env, environ, problems)
    elif upstream.api_key_file:
        return _read_key_file(upstream, upstream.api_key_file, (*path, "api_key_file"), problems)
    return None


def _find_headers(
    upstream: Upstream, path: FieldPath, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[tuple[str, Secret], ...]:
    found = []
    for name, value in upstream.headers.items():
        if isinstance(value, FromVariable):
            secret = _read_variable(upstream, (*path, "headers", name, "env"), value.env, environ, problems)
        else:
            secret = Secret(value)
        if secret:
            found.append((name, secret))
    return tuple(found)


def _fits_header(value: str) -> bool:
    """Keys are sent in headers, where only ASCII is safe: an ellipsis from a web page is no key."""
    return bool(value) and value.isascii() and value.isprintable()


def _read_variable(
    upstream: Upstream, path: FieldPath, variable: str, environ: Mapping[str, str], problems: list[Problem]
) -> Secret | None:
    value = environ.get(variable, "").strip()
    if _fits_header(value):
        return Secret(value)
    state = "holds more than printable ASCII" if value else "is not set" if variable not in environ else "is empty"
    problems.append((path, f"upstream '{upstream.name}' needs the environment variable {variable}, which {state}"))
    return None


def _read_key_file(upstream: Upstream, file: Path, path: FieldPath, problems: list[Problem]) -> Secret | None:
    try:
        value = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "neither a path nor UTF-8 text"
        problems.append((path, f"upstream '{upstream.name}': cannot read {file}: {reason}"))
        return None
    if _fits_header(value):
        return Secret(value)
    problems.append((path, f"upstream '{upstream.name}': {file} must hold the key alone, on one line, in ASCII"))
    return None
