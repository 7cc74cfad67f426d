"""What no single field can tell: names used twice, missing keys, an upstream that is the gateway itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from jackfield.settings.lines import Path as FieldPath
from jackfield.settings.model import (
    FromVariable,
    InstallSettings,
    McpServer,
    NamedSecret,
    PluginSettings,
    ServerSettings,
    SignInSettings,
    StoreSettings,
    Upstream,
    UsageSettings,
)
from jackfield.settings.public_key import PREFIX, read_public_key
from jackfield.settings.secret import Secret
from jackfield.settings.store_urls import is_postgres, missing, place_of, redis_place_of

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


def check_store_urls(store: StoreSettings) -> Iterator[Problem]:
    """Messages never repeat a URL: it may hold a password where none is expected."""
    url, redis = store.url.reveal(), store.redis.reveal() if store.redis is not None else None
    if is_postgres(url):
        yield from _check_store_url(("store", "url"), url, place_of, "asyncpg", "postgres")
    elif url != "sqlite" and not url.startswith("sqlite:///"):
        yield ("store", "url"), "expected sqlite, sqlite:///path or postgresql://…"
    if redis is not None:
        yield from _check_store_url(("store", "redis"), redis, redis_place_of, "redis", "redis")


def _check_store_url(
    path: FieldPath, url: str, check: Callable[[str], str], module: str, extra: str
) -> Iterator[Problem]:
    try:
        check(url)
    except ValueError as error:
        yield path, str(error)
    if find_spec(module) is None:
        yield path, missing(extra)


def check_price_files(usage: UsageSettings) -> Iterator[Problem]:
    for index, file in enumerate(usage.prices):
        if not file.is_file():
            yield ("usage", "prices", index), f"there is no file {file}"


def take_public_keys(install: InstallSettings) -> Iterator[Problem]:
    """Gives each its text, and tells what is wrong with a catalogue."""
    texts: dict[str, str] = {}
    for name, given in install.trusted_keys.items():
        texts[name], problem = _find_public_key(given)
        if problem:
            yield ("install", "trusted_keys", name), problem
    install.take_keys(texts)
    first: dict[str, int] = {}
    for index, catalogue in enumerate(install.catalogues):
        path: FieldPath = ("install", "catalogues", index)
        text, problem = _find_public_key(catalogue.key)
        catalogue.take_key(text)
        if problem:
            yield (*path, "key"), problem
        if (catalogue.url is None) == (catalogue.path is None):
            yield path, f"catalogue '{catalogue.name}' needs a url or a path, and not both"
        if catalogue.name in first:
            named = f"install.catalogues[{first[catalogue.name]}]"
            yield (*path, "name"), f"the name '{catalogue.name}' is already that of {named}"
        first.setdefault(catalogue.name, index)


def _find_public_key(given: str) -> tuple[str, str | None]:
    """The key itself or what the file holds, and what is wrong with it."""
    try:
        text = given if given.startswith(PREFIX) else Path(given).read_text(encoding="utf-8")
        read_public_key(text)
    except OSError as error:
        return "", f"cannot read {given}: {error.strerror}"
    except ValueError as error:
        return "", str(error)
    return text.strip(), None


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
    owner = f"upstream '{upstream.name}'"
    if upstream.account and (upstream.api_key_env or upstream.api_key_file):
        problems.append(((*path, "account"), f"{owner} has both an account and a key"))
    elif upstream.api_key_env and upstream.api_key_file:
        problems.append(((*path, "api_key_file"), f"{owner} has both api_key_env and api_key_file"))
    elif upstream.api_key_env:
        return _read_variable(owner, (*path, "api_key_env"), upstream.api_key_env, environ, problems)
    elif upstream.api_key_file:
        return _read_key_file(owner, upstream.api_key_file, (*path, "api_key_file"), problems)
    return None


def take_client_secrets(sign_ins: Mapping[str, SignInSettings], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Gives each its client secret where it has one, and tells what is missing for that."""
    for name, sign_in in sign_ins.items():
        problems: list[Problem] = []
        if sign_in.client_secret_env is not None:
            path = ("sign_in", name, "client_secret_env")
            sign_in.take_secret(_read_variable(f"sign-in '{name}'", path, sign_in.client_secret_env, environ, problems))
        if sign_in.authorize_url is None and sign_in.device_url is None:
            problems.append((("sign_in", name), f"sign-in '{name}' needs an authorize_url or a device_url"))
        yield from problems


def take_named_secrets(secrets: Mapping[str, NamedSecret], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Gives each its value, and tells what is missing for that."""
    for name, secret in secrets.items():
        problems: list[Problem] = []
        secret.take_value(_find_value(name, secret, environ, problems))
        yield from problems


def _find_value(name: str, secret: NamedSecret, environ: Mapping[str, str], problems: list[Problem]) -> Secret | None:
    path, owner = ("secrets", name), f"secret '{name}'"
    if secret.env and secret.file:
        problems.append(((*path, "file"), f"{owner} has both env and file"))
    elif secret.env:
        return _read_variable(owner, (*path, "env"), secret.env, environ, problems)
    elif secret.file:
        return _read_key_file(owner, secret.file, (*path, "file"), problems)
    else:
        problems.append((path, f"{owner} has neither env nor file"))
    return None


def _find_headers(
    upstream: Upstream, path: FieldPath, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[tuple[str, Secret], ...]:
    return _fill_in(f"upstream '{upstream.name}'", (*path, "headers"), upstream.headers, environ, problems)


def _fill_in(
    owner: str,
    path: FieldPath,
    values: Mapping[str, FromVariable | str],
    environ: Mapping[str, str],
    problems: list[Problem],
) -> tuple[tuple[str, Secret], ...]:
    """The values by name, with those of environment variables read."""
    found = []
    for name, value in values.items():
        if isinstance(value, FromVariable):
            secret = _read_variable(owner, (*path, name, "env"), value.env, environ, problems)
        else:
            secret = Secret(value)
        if secret is not None:
            found.append((name, secret))
    return tuple(found)


def check_mcp_servers(
    servers: Iterable[McpServer], gateway: ServerSettings, environ: Mapping[str, str]
) -> Iterator[Problem]:
    """Gives each its header values and environment, and tells what is wrong with it."""
    first: dict[str, int] = {}
    for index, server in enumerate(servers):
        path: FieldPath = ("mcp", "servers", index)
        if server.name in first:
            yield (*path, "name"), f"the name '{server.name}' is already that of mcp.servers[{first[server.name]}]"
        first.setdefault(server.name, index)
        if server.url and _reaches(server.url, gateway):
            yield (*path, "url"), f"MCP server '{server.name}' is this gateway itself ({server.url})"
        if misfit := _find_misfit(server):
            yield path, f"MCP server '{server.name}' {misfit}"
        problems: list[Problem] = []
        owner = f"MCP server '{server.name}'"
        server.take_secrets(
            _fill_in(owner, (*path, "headers"), server.headers, environ, problems),
            _fill_in(owner, (*path, "env"), server.env, environ, problems),
        )
        yield from problems


def _find_misfit(server: McpServer) -> str | None:
    if (server.url is None) == (server.command is None):
        return "needs a url or a command, and not both"
    if server.url is not None and (server.args or server.env):
        return "has a url: args and env are for those with a command"
    if server.command is not None and server.headers:
        return "has a command: headers are for those with a url"
    return None


def _fits_header(value: str) -> bool:
    """Keys are sent in headers, where only ASCII is safe: an ellipsis from a web page is no key."""
    return bool(value) and value.isascii() and value.isprintable()


def _read_variable(
    owner: str, path: FieldPath, variable: str, environ: Mapping[str, str], problems: list[Problem]
) -> Secret | None:
    value = environ.get(variable, "").strip()
    if _fits_header(value):
        return Secret(value)
    state = "holds more than printable ASCII" if value else "is not set" if variable not in environ else "is empty"
    problems.append((path, f"{owner} needs the environment variable {variable}, which {state}"))
    return None


def _read_key_file(owner: str, file: Path, path: FieldPath, problems: list[Problem]) -> Secret | None:
    try:
        value = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "neither a path nor UTF-8 text"
        problems.append((path, f"{owner}: cannot read {file}: {reason}"))
        return None
    if _fits_header(value):
        return Secret(value)
    problems.append((path, f"{owner}: {file} must hold the key alone, on one line, in ASCII"))
    return None
