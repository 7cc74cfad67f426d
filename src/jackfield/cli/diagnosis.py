"""The checks of `jackfield doctor`."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
import socket
import ssl
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jackfield.cli.finding import Finding
from jackfield.cli.installed import check_installed
from jackfield.cli.isolation import check_isolation
from jackfield.clock import SystemClock
from jackfield.errors import ConfigError, JackfieldError
from jackfield.settings import Settings, Upstream, inspect
from jackfield.settings.store_urls import is_postgres

CONNECT_S = 5.0
STORE_S = 10.0
_NAME = re.compile(r"[A-Za-z0-9._-]+")
OLDEST_PYTHON = (3, 11)
# No clock that is right is before the day of this version.
EARLIEST = 1_760_000_000


async def diagnose(config_file: Path | None, overrides: Mapping[str, Any], environ: Mapping[str, str]) -> list[Finding]:
    findings = [check_python(), *check_libraries(), check_event_loop(), check_clock(time.time())]
    settings, problems = inspect(config_file, overrides, environ)
    findings += check_config(config_file, problems)
    if settings is None:
        return findings
    findings += check_keys(settings)
    findings += await check_plugins(settings)
    findings += await check_isolation(settings)
    findings += await check_installed(settings)
    findings += [check_data_folder(settings.store.data_dir), check_port(settings)]
    findings.append(await check_store(settings))
    findings += await check_redis(settings)
    findings += await asyncio.gather(*(check_upstream(upstream) for upstream in settings.upstreams))
    return findings


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", "fail", version, "install Python 3.11 or newer")
    return Finding("python", "ok", version)


def check_libraries() -> Iterator[Finding]:
    """Those that the package itself requires; extras are checked where a setting needs them."""
    try:
        required = importlib.metadata.requires("jackfield") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("libraries", "warn", "jackfield runs from its source", "pip install . (or make serve)")
        return
    wrong = [problem for line in required if "extra ==" not in line for problem in _library_problem(line)]
    if wrong:
        yield Finding("libraries", "fail", ", ".join(wrong), "pip install --upgrade jackfield")
    else:
        yield Finding("libraries", "ok", "all there")


def _library_problem(requirement: str) -> Iterator[str]:
    found = _NAME.match(requirement)
    assert found is not None, requirement
    name = found[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        yield f"{name} is missing"


def check_event_loop() -> Finding:
    try:
        import uvloop  # noqa: F401 - that it can be imported is the check
    except ImportError as error:
        return Finding("uvloop", "warn", f"cannot be imported: {error}", "pip install uvloop")
    return Finding("uvloop", "ok", importlib.metadata.version("uvloop"))


def check_clock(now: float) -> Finding:
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < EARLIEST:
        return Finding("clock", "fail", told, "set the system clock: TLS, key expiry and records depend on it")
    return Finding("clock", "ok", told)


def check_config(config_file: Path | None, problems: list[ConfigError]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding("config", "fail", str(problem), "correct it; `jackfield config check` tells the same")
    if not problems:
        yield Finding("config", "ok", str(config_file) if config_file else "defaults; there is no config file")


def check_keys(settings: Settings) -> Iterator[Finding]:
    for upstream in settings.upstreams:
        named = upstream.api_key_env or upstream.api_key_file
        if named and upstream.api_key:
            yield Finding(f"key of {upstream.name}", "ok", f"from {named}")
            yield from _check_key_file(upstream)


def _check_key_file(upstream: Upstream) -> Iterator[Finding]:
    file = upstream.api_key_file
    if file and stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield Finding(f"key of {upstream.name}", "warn", f"others may read {file}", f"chmod 600 {file}")


async def check_plugins(settings: Settings) -> list[Finding]:
    """Runs the plugins' modules and config models, as a start would, and none of their hooks."""
    from jackfield.app import find_sources, make_dialects
    from jackfield.host import loader
    from jackfield.sdk.services import NO_SERVICES

    dialects = make_dialects()
    findings: list[Finding] = []
    ready: list[str] = []
    for found in (found for source in find_sources(settings.plugins, dialects) for found in source.find()):
        name = found.name
        try:
            manifest = found.manifest()
            name = manifest.id if manifest is not None else name
            config = settings.plugins.config.get(name, loader.NO_CONFIG)
            if not (config.enabled if config.enabled is not None else manifest is None or manifest.enabled):
                continue
            blueprint = await loader.read_blueprint(found, dialects)
            name = blueprint.manifest.id
            loader.configure(blueprint, settings.plugins.config.get(name, config), NO_SERVICES)
        except (JackfieldError, loader.PluginBroke) as error:
            advice = f"correct {found.place}, or disable the plugin"
            findings.append(Finding(f"plugin {name}", "fail", str(error), advice))
        else:
            ready.append(name)
        found.forget()
    return [*findings, Finding("plugins", "ok", ", ".join(ready) or "none")]


def check_data_folder(folder: Path) -> Finding:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding("data folder", "fail", f"{existing}: {error.strerror}", "make it writable, or use --data-dir")
    if existing != folder:
        return Finding("data folder", "ok", f"{folder} will be made")
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return Finding("data folder", "warn", f"others may look into {folder}", f"chmod 700 {folder}")
    return Finding("data folder", "ok", str(folder))


def check_port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        advice = "stop what listens there (a running gateway?), or use --port"
        return Finding("port", "fail", f"{host}:{port}: {error.strerror}", advice)
    return Finding("port", "ok", f"{host}:{port} is free")


async def check_store(settings: Settings) -> Finding:
    """Opens it only where it is already there, so that looking makes nothing."""
    try:
        place = await asyncio.wait_for(_open_store(settings), STORE_S)
    except TimeoutError:
        return Finding("store", "fail", f"did not open within {STORE_S:.0f} s", "see which process holds it")
    except (JackfieldError, OSError) as error:
        embedded = not is_postgres(settings.store.url.reveal())
        advice = "restore a backup, or use another --data-dir" if embedded else "check store.url, and that it runs"
        return Finding("store", "fail", str(error), advice)
    return Finding("store", "ok", place)


async def check_redis(settings: Settings) -> list[Finding]:
    """Nothing where none is named."""
    if settings.store.redis is None:
        return []
    from jackfield.stores.redis_kv import RedisKeyValueStore

    try:
        async with RedisKeyValueStore.open(settings.store.redis.reveal(), SystemClock()) as store:
            return [Finding("redis", "ok", store.place)]
    except JackfieldError as error:
        return [Finding("redis", "fail", str(error), "check store.redis, and that it runs")]


async def _open_store(settings: Settings) -> str:
    from jackfield.stores.database import Database, backend_for

    backend = backend_for(settings.store.url.reveal(), settings.store.data_dir)
    if not await backend.is_made():
        return f"{backend.place} will be made at the first start"
    database = await Database.over(backend)
    await database.dispose()
    return backend.place


async def check_upstream(upstream: Upstream) -> Finding:
    check = f"upstream {upstream.name}"
    if upstream.base_url is None:
        return Finding(check, "ok", f"provider {upstream.provider}, no base_url to try")
    parts = urlsplit(upstream.base_url)
    tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    try:
        started = time.monotonic()
        await _connect(host, port, _tls_context(upstream) if tls else None)
    except ssl.SSLCertVerificationError as error:
        advice = "set tls_ca_file, or correct the host name"
        return Finding(check, "fail", f"{host}:{port}: {error.verify_message}", advice)
    except TimeoutError:
        return Finding(check, "fail", f"{host}:{port}: no answer within {CONNECT_S:.0f} s", "check the network")
    except OSError as error:
        return Finding(check, "fail", f"{host}:{port}: {_reason(error)}", "check base_url, and that it runs")
    return Finding(check, "ok", f"{host}:{port} answers in {(time.monotonic() - started) * 1000:.0f} ms")


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _tls_context(upstream: Upstream) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(upstream.tls_ca_file) if upstream.tls_ca_file else None)


async def _connect(host: str, port: int, context: ssl.SSLContext | None) -> None:
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.transport.abort()
