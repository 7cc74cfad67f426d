"""Gateways that look after their providers more quickly than an operator would want."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jackfield.app import gateway as composition
from jackfield.app import running
from jackfield.dialects.base import Dialect
from jackfield.dialects.provider.dialect import ProviderDialect
from jackfield.dialects.provider.life import Patience
from jackfield.runtimes.http.session import Pace
from jackfield.settings import load
from jackfield.testing.gateway import KEYS, RunningGateway
from jackfield.testing.setup import write_setup

from .manifests import write_plugin

PATIENCE = Patience(
    metadata_s=1.0, health_s=0.5, initialize_s=2.0, cleanup_s=0.5, completion_s=1.5, recheck_s=0.05
)  # fmt: skip
PACE = Pace(probe_s=1.0, start_s=5.0, first_pause_s=0.05, longest_pause_s=0.2, grace_s=1.0, crash_starts=3, calm_s=60.0)

OpenGateway = Callable[..., Awaitable[RunningGateway]]


def make_quick(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """From now on gateways here have a provider dialect that is."""
    make = composition.make_dialects

    def make_all(*arguments: Any, **named: Any) -> dict[str, Dialect]:
        quick = ProviderDialect(patience=PATIENCE, pace=PACE, **settings)
        return make(*arguments, **named) | {quick.name: quick}

    monkeypatch.setattr(composition, "make_dialects", make_all)


@asynccontextmanager
async def provider_gateway(
    folder: Path, plugins: Mapping[str, Any], config: Mapping[str, Any] | None = None, **sections: Any
) -> AsyncIterator[RunningGateway]:
    """With these plugin folders, by name what is in their manifests; `config` is `[plugins.config]`."""
    (folder / "plugins").mkdir(exist_ok=True)
    for name, manifest in plugins.items():
        write_plugin(folder / "plugins" / name, manifest)
    given = {"dirs": [folder / "plugins"], "config": config or {}}
    server = {"host": "127.0.0.1", "port": 0, **sections.pop("server", {})}
    tables = {"plugins": given, "store": {"data_dir": folder / "data"}, "server": server} | sections
    file = write_setup(folder, tables, {})
    async with running(load(file, {}, KEYS), environ=KEYS) as gateway:
        yield RunningGateway(folder=folder, url=gateway.url, app=gateway.app)
