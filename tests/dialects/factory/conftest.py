"""Gateways with factory plugins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.app import gateway as composition
from jackfield.app.plugins import factory_of
from jackfield.dialects.base import Dialect
from jackfield.dialects.factory import observers
from jackfield.dialects.factory.dialect import FactoryDialect
from jackfield.testing.gateway import RunningGateway

from .house import House

StartGateway = Callable[..., Awaitable[RunningGateway]]


@pytest.fixture
async def open_house(start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[House]]:
    """Gateways, each with the factory dialect that it made."""
    make = composition.make_dialects
    made: list[FactoryDialect] = []

    def make_all(*arguments: Any, **named: Any) -> dict[str, Dialect]:
        dialects = make(*arguments, **named)
        made.append(factory_of(dialects))
        return dialects

    monkeypatch.setattr(composition, "make_dialects", make_all)

    async def open_one(**settings: Any) -> House:
        gateway = await start_gateway(**settings)
        return House(gateway, made[-1].world)

    return open_one


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what a plugin was to be told comes before what it is asked at once."""
    monkeypatch.setattr(observers, "MOMENT_S", 10.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "plugins"
    place.mkdir()
    return place
