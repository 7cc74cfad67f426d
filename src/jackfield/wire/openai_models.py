"""The answers to `GET /v1/models`, in the form of the OpenAI API and in that of the Anthropic API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from jackfield.wire.json import encode


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is in seconds since the epoch, nought where it is not known."""

    id: str
    created: int = 0
    owned_by: str = "jackfield"
    display_name: str | None = None


def encode_models(models: Sequence[ListedModel]) -> bytes:
    return encode({"object": "list", "data": [_openai_fields(model) for model in models]})


def encode_model(model: ListedModel) -> bytes:
    return encode(_openai_fields(model))


def _openai_fields(model: ListedModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}


def encode_anthropic_models(models: Sequence[ListedModel], *, has_more: bool = False) -> bytes:
    """One page: `has_more` tells that there are models after these."""
    return encode(
        {
            "data": [_anthropic_fields(model) for model in models],
            "has_more": has_more,
            "first_id": models[0].id if models else None,
            "last_id": models[-1].id if models else None,
        }
    )


def encode_anthropic_model(model: ListedModel) -> bytes:
    return encode(_anthropic_fields(model))


def _anthropic_fields(model: ListedModel) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name or model.id,
        "created_at": datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
