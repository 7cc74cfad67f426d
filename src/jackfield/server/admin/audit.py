"""Who changed what."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from jackfield.server.admin.errors import ERRORS, WRONG_PARAMETER
from jackfield.server.admin.services import Caller, Services

LONGEST_PAGE = 1000

Text = Annotated[str | None, Query(max_length=5000)]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before")]

router = APIRouter(tags=["audit"])


@router.get("/api/v1/audit", responses=ERRORS | WRONG_PARAMETER)
async def audit(
    who: Caller,
    services: Services,
    kind: Text = None,
    object_id: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Every change of plugins and keys, newest first: when, by which key, digests of before and after, and of
    plugins what is another than before."""
    entries = await services.audit.list(kind=kind, object_id=object_id, before_seq=cursor, limit=limit)
    more = entries[-1].seq if len(entries) == limit else None
    return {"data": msgspec.to_builtins(entries), "next": more}
