"""What the admin API works on, and who works on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

import msgspec
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from jackfield.control.credentials import Credential, Credentials
from jackfield.control.directory import Directory
from jackfield.control.objects import ControlObjects
from jackfield.control.usage import UsageHistory
from jackfield.errors import Unauthenticated
from jackfield.host.host import Host
from jackfield.host.installer import Installer
from jackfield.services.memory import Recollection
from jackfield.stores.audit import AuditLog
from jackfield.stores.traces import Traces

# Where in a request's scope the credential stands that was found to be an admin's.
CALLER = "jackfield.caller"
# And where the services of the gateway that was asked: the routes are made once for all gateways of a process, since
# to make them takes longer than to start one.
SERVICES = "jackfield.services"


class AdminServices(msgspec.Struct, frozen=True):
    """`flush` and `flush_traces` write what this worker still has in memory, so that an answer has it too.
    `generations` tells which generation of the plugins each worker serves."""

    directory: Directory
    credentials: Credentials
    usage: UsageHistory
    traces: Traces
    audit: AuditLog
    host: Host
    installer: Installer
    flush: Callable[[], Awaitable[bool]]
    flush_traces: Callable[[], Awaitable[None]]
    generations: Callable[[], Awaitable[dict[str, int]]]
    objects: ControlObjects
    memories: Recollection


_bearer = HTTPBearer(auto_error=False, description="An admin key")
_header = APIKeyHeader(name="x-api-key", auto_error=False, description="An admin key")


async def _find_services(request: Request) -> AdminServices:
    return cast(AdminServices, request.scope[SERVICES])


Services = Annotated[AdminServices, Depends(_find_services)]


async def require_admin(
    request: Request, bearer: Annotated[object, Security(_bearer)], header: Annotated[object, Security(_header)]
) -> Credential:
    """The two schemes are for the description; the key was checked before the request came here."""
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Credential):
        raise Unauthenticated("The admin API needs an admin key")
    return caller


Caller = Annotated[Credential, Security(require_admin)]
