"""The checks of `jackfield doctor` for plugins in processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from jackfield.cli.finding import Finding
from jackfield.errors import ConfigError
from jackfield.runtimes.launch import LAYERS, LaunchFailed, probe_layers
from jackfield.settings import Settings

NODE_S = 10.0


async def check_isolation(settings: Settings) -> list[Finding]:
    return [await check_node(_plugins_for_node(settings)), await check_layers(settings.isolation.minimum)]


def _plugins_for_node(settings: Settings) -> list[str]:
    from jackfield.app import find_sources, make_dialects

    sources = find_sources(settings.plugins, make_dialects())
    return [found.name for source in sources for found in source.find() if found.runtime == "node"]


async def check_node(plugins: Collection[str]) -> Finding:
    """`plugins` are those that need it."""
    from jackfield.runtimes.node import find_node

    try:
        program = find_node()
    except ConfigError as error:
        if not plugins:
            return Finding("node", "ok", "not installed, and no plugin needs it")
        return Finding("node", "fail", f"needed by {', '.join(plugins)}", error.message)
    try:
        return Finding("node", "ok", f"{await _version_of(program)} at {program}")
    except (OSError, TimeoutError) as error:
        return Finding("node", "fail", f"{program}: {error}", "install jackfield[node] anew")


async def _version_of(program: Path) -> str:
    """Raises `OSError`, and `TimeoutError`."""
    process = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE, env={})
    try:
        async with asyncio.timeout(NODE_S):
            told, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise OSError(f"ends with {process.returncode}")
    return told.decode("utf-8", "replace").strip()


async def check_layers(minimum: Collection[str]) -> Finding:
    """Which layers of defence can be had here, by trying; those of `minimum` must be."""
    if unknown := [layer for layer in minimum if layer not in LAYERS]:
        return Finding("isolation", "fail", f"isolation.minimum: there is no {unknown[0]}", f"use {', '.join(LAYERS)}")
    try:
        layers = await probe_layers()
    except LaunchFailed as error:
        return Finding("isolation", "warn", str(error), "run plugins in processes of their own on Linux")
    lacking = [layer for layer in LAYERS if layer not in layers]
    if not lacking:
        return Finding("isolation", "ok", ", ".join(layers))
    detail = f"{', '.join(layers)}; without {', '.join(lacking)}"
    demanded = [layer for layer in lacking if layer in minimum]
    if demanded:
        return Finding("isolation", "fail", detail, f"isolation.minimum demands {', '.join(demanded)}")
    return Finding("isolation", "warn", detail, "allow it to the gateway's user or container; the others hold")
