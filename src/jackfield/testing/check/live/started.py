"""The process of a provider that is checked: what its manifest says is started where nothing answers, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from jackfield.dialects.provider.manifest import ProviderManifest
from jackfield.runtimes.http.program import minimal_environ
from jackfield.testing.check.findings import show_path
from jackfield.testing.check.live.rounds import METADATA_S, Config, check_endpoint
from jackfield.testing.check.live.talk import Talk, make_client
from jackfield.testing.check.live.verdicts import Verdict, escape, shorten
from jackfield.testing.waiting import until

START_S = 15.0
GRACE_S = 5.0
LAST_WORDS = 2000


class Ended(Exception):
    """Before it answered."""


async def check_provider_live(folder: Path, manifest: ProviderManifest, config: Config) -> tuple[list[Verdict], str]:
    """The verdicts, and what was started for them."""
    if await _answers(manifest.endpoint):
        return await check_endpoint(manifest.endpoint, config, manifest.metadata), ""
    if not manifest.command:
        return [_refuse(manifest, "nothing answers there, and the manifest has no command to start it")], ""
    with tempfile.TemporaryFile() as output:
        try:
            async with _running(folder, manifest, output) as process:
                await until(lambda: _is_there(manifest, process), bool, within=START_S)
                verdicts = await check_endpoint(manifest.endpoint, config, manifest.metadata)
        except (OSError, Ended, TimeoutError) as error:
            verdicts = [_refuse(manifest, _why(error), _read_last(output))]
    return verdicts, f"{show_path(folder)}: {_shown(manifest)}"


def _why(error: Exception) -> str:
    return f"it did not come up within {START_S:g} s" if isinstance(error, TimeoutError) else f"did not start: {error}"


def _refuse(manifest: ProviderManifest, message: str, got: str = "") -> Verdict:
    step = f"start {_shown(manifest)}" if manifest.command else "GET /metadata"
    return Verdict(endpoint=manifest.endpoint, level="error", step=step, message=message, got=shorten(escape(got)))


def _shown(manifest: ProviderManifest) -> str:
    return " ".join([manifest.command, *manifest.args])


async def _answers(endpoint: str) -> bool:
    client = make_client()
    try:
        return not (await Talk(endpoint, client).get("/metadata", within=METADATA_S)).unreachable
    finally:
        await client.aclose()


async def _is_there(manifest: ProviderManifest, process: asyncio.subprocess.Process) -> bool:
    if process.returncode is not None:
        raise Ended(f"it ended with exit code {process.returncode}")
    return await _answers(manifest.endpoint)


@asynccontextmanager
async def _running(
    folder: Path, manifest: ProviderManifest, output: IO[bytes]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        manifest.command,
        *manifest.args,
        cwd=folder,
        env=minimal_environ(manifest.env, folder=folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its whole group: what a command starts in turn is ended with it."""
    _signal(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal(process.pid, signal.SIGKILL)
        await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _read_last(output: IO[bytes]) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - LAST_WORDS))
    return output.read().decode("utf-8", "replace")
