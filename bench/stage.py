"""What stands during a run: the mock upstream, and the gateways and relays that are put before it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import jackfield
from bench import bodies, nginx
from bench.child import Child, free_port
from bench.cores import Cores
from bench.plugin_files import write_plugins

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = Path(jackfield.__file__).resolve().parent.parent
KEY = "jf-bench-inference-0123456789abcdefghijklmnopqrstuvwxyz"
ADMIN_KEY = "jf-bench-admin-0123456789abcdefghijklmnopqrstuvwxyz"

_CONFIG = """\
[server]
host = "127.0.0.1"
port = {port}
[store]
data_dir = "{data}"
[[upstreams]]
name = "mock"
provider = "openai"
base_url = "{upstream}/v1"
api_key_env = "BENCH_UPSTREAM_KEY"
models = {models}
[plugins]
dirs = [{plugins}]
entry_points = false
[logs]
level = "warning"
format = "json"
"""


class Target(msgspec.Struct, frozen=True):
    """Something that answers chat requests on `port`."""

    name: str
    port: int
    child: Child


class Stage:
    """A temporary folder and the mock upstream; what else is started lives as long as its `with`."""

    def __init__(self, cores: Cores, folder: Path, upstream: Target) -> None:
        self.cores = cores
        self.upstream = upstream
        self.folder = folder
        self._serial = 0

    @contextmanager
    def relay(self, kind: str) -> Iterator[Target]:
        port = free_port()
        command = [sys.executable, "-m", "bench.relay", kind, str(port), self._url]
        with started(f"relay-{kind}", command, port, self.cores.target, self.folder) as target:
            yield target

    @contextmanager
    def nginx(self) -> Iterator[Target]:
        port = free_port()
        folder = self._fresh("nginx")
        command = nginx.command(folder, port, self.upstream.port)
        with started("nginx", command, port, self.cores.target, self.folder) as target:
            yield target

    @contextmanager
    def gateway(self, plugins: int = 0, *, hooks: int = 0, chunk_hooks: int = 0) -> Iterator[Target]:
        """`plugins` with two hooks each; `hooks` in as many plugins."""
        name = f"jackfield-{hooks}-hooks" if hooks else f"jackfield-{plugins}"
        name += f"-chunk-{chunk_hooks}" if chunk_hooks else ""
        command, port = self.gateway_command(plugins, hooks, chunk_hooks)
        with started(name, command, port, self.cores.target, self.folder) as target:
            yield target

    def gateway_command(self, plugins: int = 0, hooks: int = 0, chunk_hooks: int = 0) -> tuple[list[str], int]:
        """The command of a gateway with a data folder of its own, and its port."""
        port, folder = free_port(), self._fresh("gateway")
        place = write_plugins(folder / "plugins", plugins=plugins, hooks=hooks, chunk_hooks=chunk_hooks)
        config = folder / "jackfield.toml"
        config.write_text(
            _CONFIG.format(
                port=port,
                data=folder / "data",
                upstream=self._url,
                models=msgspec.json.encode([bodies.MODEL, bodies.PACED_MODEL]).decode(),
                plugins=msgspec.json.encode(str(place)).decode(),
            )
        )
        return [sys.executable, "-m", "jackfield", "serve", "--config", str(config)], port

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.upstream.port}"

    def _fresh(self, name: str) -> Path:
        self._serial += 1
        folder = self.folder / f"{name}-{self._serial}"
        folder.mkdir()
        return folder


def environment(packages: Path = PACKAGES) -> dict[str, str]:
    """What children see: the package that is seen here, from its sources or compiled, and no Jackfield settings of the
    caller; compiled modules are kept, as in real use."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("JACKFIELD_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    path = os.pathsep.join(filter(None, [str(packages), str(ROOT), kept.get("PYTHONPATH", "")]))
    keys = {"JACKFIELD_API_KEY": KEY, "JACKFIELD_ADMIN_KEY": ADMIN_KEY, "BENCH_UPSTREAM_KEY": "sk-bench"}
    return {**kept, **keys, "PYTHONPATH": path}


@contextmanager
def started(name: str, command: list[str], port: int, core: int, folder: Path) -> Iterator[Target]:
    child = Child(name, command, core=core, log=folder / f"{name}-{port}.log", env=environment())
    try:
        child.wait_ready(port)
        yield Target(name, port, child)
    finally:
        child.stop()


@contextmanager
def open_stage(cores: Cores) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="jackfield-bench-") as name:
        folder, port = Path(name), free_port()
        command = [sys.executable, "-m", "bench.upstream", str(port)]
        with started("upstream", command, port, cores.load, folder) as upstream:
            yield Stage(cores, folder, upstream)
