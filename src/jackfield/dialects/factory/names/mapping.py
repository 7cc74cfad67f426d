"""Models by other names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

__all__ = ["ModelCard", "ModelMapper", "ModelMappingRule", "ProviderConfig"]


class ModelMappingRule(BaseModel):
    match: str
    target: str
    kind: Literal["exact", "prefix", "suffix", "regex"] = "exact"
    flags: list[Literal["IGNORECASE"]] = []
    notes: str | None = None


class ModelCard(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    object: str = "model"
    created: int | None = None
    owned_by: str | None = None


class ProviderConfig(BaseModel):
    """What a provider's config is made of. `models_endpoint` are the models that it serves."""

    name: str
    base_url: str
    supports_streaming: bool = False
    requires_auth: bool = True
    auth_type: str | None = None
    model_mappings: list[ModelMappingRule] = []
    models_endpoint: list[ModelCard] = []


class Mapped(NamedTuple):
    original: str
    mapped: str
    rule: ModelMappingRule | None


class ModelMapper:
    """The first rule that fits counts."""

    def __init__(self, rules: Sequence[Any] | None = None) -> None:
        self._rules = [
            rule if isinstance(rule, ModelMappingRule) else ModelMappingRule.model_validate(rule, from_attributes=True)
            for rule in rules or ()
        ]

    @property
    def has_rules(self) -> bool:
        return bool(self._rules)

    def map(self, model: str) -> Mapped:
        rule = next((rule for rule in self._rules if _fits(rule, model)), None)
        return Mapped(model, model if rule is None else rule.target, rule)


def _fits(rule: ModelMappingRule, model: str) -> bool:
    if rule.kind == "regex":
        return re.search(rule.match, model, re.IGNORECASE if "IGNORECASE" in rule.flags else 0) is not None
    wanted = rule.match
    if "IGNORECASE" in rule.flags:
        wanted, model = wanted.lower(), model.lower()
    fits = {"exact": model == wanted, "prefix": model.startswith(wanted), "suffix": model.endswith(wanted)}
    return fits[rule.kind]
