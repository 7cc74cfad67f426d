"""The config of toolbox plugins: any keys, which `config.get` reads."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class OwnConfig(BaseModel):
    """The guide knows no config model: what the operator writes is what the plugin gets."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def values(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
