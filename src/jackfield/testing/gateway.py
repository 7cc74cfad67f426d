"""A gateway to test against: in process on a free port, or as a child process as operators start it.

async with Upstream() as upstream, run_gateway(folder, upstreams=[link(upstream)]) as gateway:
    called = await gateway.caller().post("/v1/chat/completions", {...})
    (record,) = await gateway.records(1)
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jackfield import app, settings
from jackfield.testing.caller import Called, Caller
from jackfield.testing.processes import end_process, read_outputs, start_process
from jackfield.testing.setup import Table, write_setup
from jackfield.testing.waiting import until

ADMIN_KEY = "jf-test-admin-key-0123456789abcdef"
API_KEY = "jf-test-inference-key-0123456789abcdef"
KEYS = {"JACKFIELD_ADMIN_KEY": ADMIN_KEY, "JACKFIELD_API_KEY": API_KEY}
START_S = 20.0


@dataclass(kw_only=True)
class RunningGateway:
    """What a test may ask of a gateway. `app` is its ASGI application, or `process` its process."""

    folder: Path
    url: str
    admin_key: str = ADMIN_KEY
    api_key: str = API_KEY
    app: Any = None
    process: asyncio.subprocess.Process | None = None

    def caller(self, key: str | None = None, **headers: str) -> Caller:
        """With the inference key where none is given."""
        return Caller(self.url, headers={"authorization": f"Bearer {key or self.api_key}"} | headers)

    async def admin(self, path: str, method: str = "GET", body: Table | None = None) -> Called:
        async with self.caller(self.admin_key) as caller:
            return await caller.call(method, path, body=b"" if body is None else body)

    async def records(self, count: int, *, within: float = 5.0) -> list[dict[str, Any]]:
        """The usage records, newest first, once the ledger holds at least `count` of them."""
        return await until(self._usage, lambda found: len(found) >= count, within=within)

    async def record(self, *, within: float = 5.0) -> dict[str, Any]:
        """The only usage record there is."""
        (found,) = await self.records(1, within=within)
        return found

    async def plugin(self, name: str) -> dict[str, Any]:
        called = await self.admin(f"/api/v1/plugins/{name}")
        assert called.status == 200, called.body
        return dict(called.json)

    async def metrics(self) -> dict[str, float]:
        """Each metric's sum over all its labels."""
        called = await self.admin("/metrics")
        assert called.status == 200, called.body
        return read_metrics(called.body.decode())

    async def quiet(self, *, within: float = 5.0) -> dict[str, float]:
        """The metrics once no exchange is in flight."""
        return await until(self.metrics, lambda found: found["jackfield_in_flight"] == 0, within=within)

    async def _usage(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while cursor is not None:
            page = (await self.admin(f"/api/v1/usage?limit=1000{cursor and f'&cursor={cursor}'}")).json
            found += page["records"]
            cursor = page["next"]
        return found


def read_metrics(text: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            labelled, _, value = line.rpartition(" ")
            name = labelled.partition("{")[0]
            sums[name] = sums.get(name, 0.0) + float(value)
    return sums


@asynccontextmanager
async def run_gateway(
    folder: Path,
    *,
    upstreams: Sequence[Table] = (),
    plugins: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    **sections: Any,
) -> AsyncIterator[RunningGateway]:
    """In this process and event loop.

    `plugins` maps ids to the source of their `plugin.py`; `sections` are those of the config file.
    """
    variables = KEYS | dict(environ or {})
    file = _arrange(folder, 0, upstreams, plugins or {}, sections)
    async with app.running(settings.load(file, {}, variables), environ=variables) as gateway:
        yield RunningGateway(
            folder=folder,
            url=gateway.url,
            admin_key=gateway.admin_key,
            api_key=gateway.api_key,
            app=gateway.app,
        )


@asynccontextmanager
async def spawn_gateway(
    folder: Path,
    *arguments: str,
    upstreams: Sequence[Table] = (),
    plugins: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    **sections: Any,
) -> AsyncIterator[RunningGateway]:
    """As `jackfield serve` in a process of its own, once it is ready; killed if it still runs at the end."""
    port = find_free_port()
    file = _arrange(folder, port, upstreams, plugins or {}, sections)
    variables = KEYS | dict(environ or {})
    process = await start_process(folder, "serve", "--config", str(file), *arguments, environ=variables)
    gateway = RunningGateway(folder=folder, url=f"http://127.0.0.1:{port}", process=process)
    try:
        await until(lambda: _is_ready(gateway, process), bool, within=START_S)
        yield gateway
    finally:
        await end_process(process)


def _arrange(folder: Path, port: int, upstreams: Sequence[Table], plugins: Mapping[str, str], sections: Table) -> Path:
    """Writes the config of a gateway that keeps everything inside `folder`."""
    server = {"host": "127.0.0.1", "port": port, **sections.get("server", {})}
    store = {"data_dir": folder / "data", **sections.get("store", {})}
    # However busy the machine: tests mean a gateway whose plugins are there.
    own = {"start_patience_s": START_S}
    listed = {"upstreams": list(upstreams)} if upstreams else {}
    return write_setup(folder, {**sections, "server": server, "store": store, "plugins": own, **listed}, plugins)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _is_ready(gateway: RunningGateway, process: asyncio.subprocess.Process) -> bool:
    if process.returncode is not None:
        raise RuntimeError(f"the gateway ended with {process.returncode}: {read_outputs(gateway.folder)}")
    try:
        async with Caller(gateway.url) as caller:
            return (await caller.get("/ready")).status == 200
    except OSError:
        return False
