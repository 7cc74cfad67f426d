"""A reader who does what a page says: one folder, one shell, one gateway at a time."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from jackfield.testing import Caller, Upstream, until
from jackfield.testing.gateway import find_free_port
from surroundings import outside

BLOCK_S = 60.0
STOP_S = 20.0
PRINTED_KEY = re.compile(r"First (admin|inference) key, shown only now: (\S+)")
SERVES = re.compile(r"^(?P<variables>(?:\w+=\S+ )*)(?:make serve|jackfield serve)\b(?P<arguments>.*)$", re.MULTILINE)


def surroundings() -> dict[str, str]:
    """The environment of a reader's shell."""
    environ = outside()
    path = f"{Path(sys.executable).parent}:{environ['PATH']}"
    return environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "200"}


class Terminal:
    """Addresses of the page are replaced by those of this run, and back again in what is printed. What is in the folder
    `commands` is found before the commands that are installed."""

    def __init__(self, folder: Path, upstream: Upstream, other: Upstream, commands: Path | None = None) -> None:
        self.folder = folder
        self.port = find_free_port()
        self.environ = surroundings() | {"JACKFIELD_SERVER__PORT": str(self.port)}
        if commands is not None:
            self.environ["PATH"] = f"{commands}:{self.environ['PATH']}"
        self._addresses = {
            "127.0.0.1:8090": f"127.0.0.1:{self.port}",
            "https://api.openai.com/v1": upstream.openai_url,
            "https://api.anthropic.com": upstream.anthropic_url,
            "http://127.0.0.1:9100/v1": other.openai_url,
        }
        self._keys: dict[str, str] = {}
        self._gateway: asyncio.subprocess.Process | None = None
        self._log = folder / ".gateway.log"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    def localize(self, text: str) -> str:
        for written, real in (self._addresses | self._keys).items():
            text = text.replace(written, real)
        return text

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.localize(text), encoding="utf-8")
        return file

    async def run(self, script: str) -> str:
        """What a shell script prints. Raises `AssertionError` where it fails. What it exports stays."""
        served = SERVES.search(script)
        if served:
            return await self._serve(script[: served.start()], served)
        kept = self.folder / ".environ"
        output = await self._execute("bash", "-euo", "pipefail", "-c", f"{self.localize(script)}\nenv -0 >{kept}")
        pairs = (line.partition("=") for line in kept.read_text(encoding="utf-8").split("\0") if line)
        self.environ = {name: value for name, _, value in pairs}
        return output

    async def run_python(self, file: Path) -> str:
        return await self._execute(sys.executable, str(file))

    async def _execute(self, *command: str) -> str:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self.environ, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), BLOCK_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"exit code {process.returncode}\n{output.decode()}\n{errors.decode()}"
        return self._as_written(output.decode())

    async def _serve(self, before: str, served: re.Match[str]) -> str:
        """Starts the gateway in the place of one that runs, as `jackfield serve` does; returns once it is ready."""
        await self.stop()
        if before.strip():
            await self.run(before)
        arguments = re.sub(r'ARGS="(.*)"', r"\1", served["arguments"])
        command = f"exec env {served['variables']}jackfield serve {self.localize(arguments)}"
        with self._log.open("wb") as log:
            self._gateway = await asyncio.create_subprocess_exec(
                "bash", "-c", command, cwd=self.folder, env=self.environ, stdout=log, stderr=log
            )
        await until(self._is_ready, bool, within=BLOCK_S)
        printed = self._log.read_text(encoding="utf-8")
        self._keys |= {f"jf-YOUR-{role.upper()}-KEY": key for role, key in PRINTED_KEY.findall(printed)}
        return self._as_written(printed)

    async def _is_ready(self) -> bool:
        assert self._gateway is not None
        assert self._gateway.returncode is None, self._log.read_text(encoding="utf-8")
        try:
            async with Caller(f"http://127.0.0.1:{self.port}") as caller:
                return (await caller.get("/ready")).status == 200
        except OSError:
            return False

    async def stop(self) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is None or gateway.returncode is not None:
            return
        gateway.terminate()
        try:
            await asyncio.wait_for(gateway.wait(), STOP_S)
        finally:
            if gateway.returncode is None:
                gateway.kill()
                await gateway.wait()

    def _as_written(self, text: str) -> str:
        replaced: Mapping[str, str] = self._addresses | self._keys
        for written, real in replaced.items():
            text = text.replace(real, written)
        return text
