"""What of a plugin's config its model has no use for is told, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, RootModel
from structlog.testing import capture_logs

from jackfield.host.loader import read_config
from jackfield.settings import PluginConfig


class Ignoring(BaseModel):
    most: int = 3


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Everything(RootModel[dict[str, Any]]):
    pass


@pytest.mark.parametrize(
    ("model", "told"), [(Ignoring, [["msot"]]), (Open, []), (Everything, [])], ids=["ignoring", "open", "everything"]
)
def test_what_is_spelled_wrongly_is_told_where_it_would_be_ignored(model: type[BaseModel], told: list[Any]) -> None:
    with capture_logs() as lines:
        read_config(model, "p", PluginConfig.model_validate({"msot": 5}))
    assert [line["fields"] for line in lines] == told
