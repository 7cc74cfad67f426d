"""What was asked of the gateway: records, sums and traces."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from jackfield.control.usage import PARAMETERS, UsageQuery
from jackfield.errors import Malformed
from jackfield.server.admin.errors import QUERY_ERRORS
from jackfield.server.admin.services import Caller, Services
from jackfield.stores.traces import KEPT

DESCRIBED = {
    "from": "Seconds since the epoch, or ISO 8601; included",
    "to": "Seconds since the epoch, or ISO 8601; not included",
    "status": "2xx, 3xx, 4xx or 5xx",
    "stream": "true or false",
    "group_by": "Names with commas between them; the answer is sums then",
    "limit": "How many records or groups at most, up to 1000",
    "cursor": "`next` of the page before",
}
USAGE_PARAMETERS = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        | ({"description": DESCRIBED[name]} if name in DESCRIBED else {})
        for name in PARAMETERS
    ]
}

router = APIRouter(tags=["usage"])


@router.get("/api/v1/usage", openapi_extra=USAGE_PARAMETERS, responses=QUERY_ERRORS)
async def usage(request: Request, who: Caller, services: Services) -> dict[str, Any]:
    """Usage records, newest first, or sums where `group_by` is given. `totals` sums all that the filters leave."""
    query = UsageQuery.parse(_once(request))
    await services.flush()
    return await services.usage.tell(query)


@router.get("/api/v1/traces", responses=QUERY_ERRORS)
async def traces(who: Caller, services: Services, limit: Annotated[int, Query(ge=1, le=KEPT)] = KEPT) -> Response:
    """The last exchanges over all workers, newest first, phase by phase and plugin by plugin."""
    await services.flush_traces()
    body = msgspec.json.encode({"data": await services.traces.latest(limit)})
    return Response(body, media_type="application/json")


def _once(request: Request) -> dict[str, str]:
    """Raises `Malformed` where a parameter is given twice: only one of its values could count."""
    parameters: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in parameters:
            raise Malformed(f"{name}: is given twice", param=name)
        parameters[name] = value
    return parameters
