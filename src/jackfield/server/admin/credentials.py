"""API keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from jackfield.control.credentials import Credential
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, FIND_ERRORS
from jackfield.server.admin.services import Caller, Services

Label = Annotated[str, Field(min_length=1, max_length=200)]


class NewCredential(BaseModel):
    """`expires_at` is in seconds since the epoch; without `models` a key may use every model."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Label | None = None
    role: Literal["inference", "admin"] = "inference"
    app: Label | None = None
    expires_at: Annotated[float, Field(allow_inf_nan=False)] | None = None
    models: Annotated[list[Label], Field(max_length=1000)] = []


router = APIRouter(tags=["credentials"])


@router.get("/api/v1/credentials", responses=ERRORS)
async def list_credentials(who: Caller, services: Services) -> dict[str, Any]:
    """All keys, revoked ones too; never the keys themselves."""
    return {"data": [_show(credential) for credential in await services.credentials.list()]}


@router.post("/api/v1/credentials", status_code=201, responses=CHANGE_ERRORS)
async def create_credential(new: NewCredential, who: Caller, services: Services) -> dict[str, Any]:
    """Makes a key. `key` in the answer is the only time it is shown."""
    wanted = new.model_dump() | {"models": tuple(new.models)}
    issued = await services.credentials.create(**wanted, actor=who.id)
    await services.directory.refresh_or_stay()
    return _show(issued.credential) | {"key": issued.text}


@router.delete("/api/v1/credentials/{name:path}", responses=FIND_ERRORS | CHANGE_ERRORS)
async def revoke_credential(name: str, who: Caller, services: Services) -> dict[str, Any]:
    """Revokes a key, by id or name; here at once, in other workers within half a second."""
    revoked = await services.credentials.revoke(name, actor=who.id)
    await services.directory.refresh_or_stay()
    return _show(revoked)


def _show(credential: Credential) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(credential)
    return shown
