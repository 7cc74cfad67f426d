"""`GET /models`: what a provider offers, what it can, and what it costs."""

from __future__ import annotations

from typing import Any

import msgspec

from jackfield.dialects.provider.metadata import NO_CAPABILITIES, Capabilities, read_capabilities
from jackfield.dialects.provider.problems import Problem, Reader
from jackfield.wire.chat import Usage

MOST_MODELS = 1_000
LONGEST_ID = 200
DEAREST = 1_000_000.0


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`cost_per_mtoken` is in US dollars for a million tokens, whichever way they go. `capabilities` are those that the
    provider has as well."""

    id: str
    name: str = ""
    description: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    cost_per_mtoken: float | None = None
    capabilities: Capabilities = NO_CAPABILITIES
    deprecated: bool = False

    def cost_nanousd(self, usage: Usage) -> int | None:
        if self.cost_per_mtoken is None:
            return None
        return round((usage.input + usage.output) * self.cost_per_mtoken * 1_000)


def read_models(data: Any, own: Capabilities) -> tuple[dict[str, Model], list[Problem]]:
    """By id, from a list, or from one below `data` or `models`. What cannot be understood becomes a problem, and keeps
    no other model away."""
    problems: list[Problem] = []
    if isinstance(data, dict):
        data = data.get("data", data.get("models"))
    if not isinstance(data, list):
        return {}, [Problem("", "is no list of models")]
    if len(data) > MOST_MODELS:
        problems.append(Problem("", f"lists more than {MOST_MODELS} models"))
    models: dict[str, Model] = {}
    for index, item in enumerate(data[:MOST_MODELS]):
        model = _read_model({"id": item} if isinstance(item, str) else item, str(index), own, problems)
        if model is not None:
            models.setdefault(model.id, model)
    return models, problems


def _read_model(item: Any, path: str, own: Capabilities, problems: list[Problem]) -> Model | None:
    reader = Reader(item, path, problems)
    id_ = reader.text("id")
    if not id_ or len(id_) > LONGEST_ID or not id_.isprintable():
        if isinstance(item, dict):
            reader.wrong("id", f"is required, and at most {LONGEST_ID} printable characters")
        return None
    return Model(
        id=id_,
        name=reader.text("name"),
        description=reader.text("description")[:LONGEST_ID],
        context_window=reader.whole("context_window", None, 0, 10**9),
        max_output_tokens=reader.whole("max_output_tokens", None, 0, 10**9),
        cost_per_mtoken=_read_cost(reader),
        capabilities=read_capabilities(reader.take("capabilities"), f"{path}.capabilities", problems).within(own),
        deprecated=bool(reader.flag("deprecated")),
    )


def _read_cost(reader: Reader) -> float | None:
    cost = reader.number("cost_per_mtoken")
    if cost is None or 0 <= cost <= DEAREST:
        return cost
    reader.wrong("cost_per_mtoken", "is no price")
    return None
