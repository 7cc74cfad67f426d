"""Control objects over HTTP: all kinds are listed, made, changed and deleted in one way."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from jackfield.control.credentials import Credential
from jackfield.control.objects import DEFAULT_NAMESPACE
from jackfield.errors import NotFound
from jackfield.server.admin.etags import read_etag, write_etag
from jackfield.server.admin.services import AdminServices, Services
from jackfield.stores.objects import StoredObject

IfMatch = Annotated[str | None, Header(description="The revision that was seen; another one is refused")]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
ObjectId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="How it is called from elsewhere; one is made where none is given",
    ),
]


class Wanted(BaseModel):
    """What of an object the client sets."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Shelf:
    """The objects of one kind."""

    def __init__(self, services: AdminServices, kind: str) -> None:
        self._objects, self._directory, self._kind = services.objects, services.directory, kind

    async def all(self) -> tuple[StoredObject, ...]:
        return await self._objects.stored.list(self._kind)

    async def list(self) -> dict[str, Any]:
        return {"data": [describe(stored) for stored in await self.all()]}

    async def find(self, name: str) -> StoredObject | None:
        return await self._objects.stored.get(self._kind, name)

    async def get(self, name: str) -> StoredObject:
        """Raises `NotFound`."""
        found = await self.find(name)
        if found is None:
            raise NotFound(f"there is no {self._kind} {name!r}")
        return found

    async def show(self, name: str, response: Response) -> dict[str, Any]:
        return tell(await self.get(name), response)

    async def create(self, name: str, wanted: Wanted, who: Credential, response: Response) -> dict[str, Any]:
        return tell(await self.put(name, wanted, who, expected=0), response)

    async def replace(
        self, name: str, wanted: Wanted, who: Credential, if_match: str | None, response: Response
    ) -> dict[str, Any]:
        """Only what is there; without a revision that was seen, whatever that is now."""
        expected = read_etag(if_match, "revision")
        found = await self.get(name)
        stored = await self.put(
            name, wanted, who, expected=found.revision if expected is None else expected, namespace=found.namespace
        )
        return tell(stored, response)

    async def delete(self, name: str, who: Credential, if_match: str | None) -> dict[str, Any]:
        gone = await self._objects.delete(
            self._kind, name, actor=who.id, expected_revision=read_etag(if_match, "revision")
        )
        await self._directory.refresh_or_stay()
        return {"id": gone.id, "revision": gone.revision, "deleted": True}

    async def put(
        self,
        name: str,
        wanted: Wanted,
        who: Credential,
        *,
        expected: int | None,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> StoredObject:
        """In this worker it counts at once, in others within half a second."""
        body = wanted.model_dump(exclude={"id"})
        stored = await self._objects.put(
            self._kind, name, body, actor=who.id, namespace=namespace, expected_revision=expected
        )
        await self._directory.refresh_or_stay()
        return stored


def shelf_of(kind: str) -> Any:
    """A dependency of handlers."""

    async def find_shelf(services: Services) -> Shelf:
        return Shelf(services, kind)

    return Depends(find_shelf)


def describe(stored: StoredObject) -> dict[str, Any]:
    return {
        "id": stored.id,
        "namespace": stored.namespace,
        "revision": stored.revision,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
        **(stored.body or {}),
    }


def tell(stored: StoredObject, response: Response) -> dict[str, Any]:
    response.headers["etag"] = write_etag(stored.revision)
    return describe(stored)
