"""Users, as the operator describes them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from pydantic import Field

from jackfield.control.people import USER
from jackfield.errors import Unprocessable
from jackfield.ids import new_id
from jackfield.server.admin.errors import CHANGE_ERRORS, ERRORS, MISSING, NAME_ERRORS
from jackfield.server.admin.objects import IfMatch, Label, ObjectId, Shelf, Wanted, shelf_of
from jackfield.server.admin.services import Caller
from jackfield.server.admin.storable import check_storable

LARGEST_PREFERENCES = 16 * 1024

Preferences = Annotated[
    dict[str, Any],
    Field(description="Such as `timezone`, `language` and `verbosity`; plugins see all of it but `persona`"),
]


class User(Wanted):
    name: Label | None = None
    preferences: Preferences = Field(default_factory=dict)


class NewUser(User):
    """`id` is what requests say in `user`, with the app before it: `shop/alice`."""

    id: ObjectId | None = None


Users = Annotated[Shelf, shelf_of(USER)]

router = APIRouter(tags=["users"])


@router.get("/api/v1/users", responses=ERRORS)
async def list_users(who: Caller, shelf: Users) -> dict[str, Any]:
    """All users that were described here. Others may use the gateway as well."""
    return await shelf.list()


@router.post("/api/v1/users", status_code=201, responses=CHANGE_ERRORS)
async def create_user(new: NewUser, response: Response, who: Caller, shelf: Users) -> dict[str, Any]:
    """Describes a user."""
    check_preferences(new)
    return await shelf.create(new.id or new_id("user"), new, who, response)


@router.get("/api/v1/users/{user:path}", responses=NAME_ERRORS)
async def find_user(user: str, response: Response, who: Caller, shelf: Users) -> dict[str, Any]:
    """One user, by id."""
    return await shelf.show(user, response)


@router.put("/api/v1/users/{user:path}", responses=CHANGE_ERRORS | MISSING)
async def change_user(
    user: str, wanted: User, response: Response, who: Caller, shelf: Users, if_match: IfMatch = None
) -> dict[str, Any]:
    """Replaces all that is said of a user."""
    check_preferences(wanted)
    return await shelf.replace(user, wanted, who, if_match, response)


@router.delete("/api/v1/users/{user:path}", responses=CHANGE_ERRORS | MISSING)
async def delete_user(user: str, who: Caller, shelf: Users, if_match: IfMatch = None) -> dict[str, Any]:
    """Deletes what was said of a user. What plugins have stored for them stays."""
    return await shelf.delete(user, who, if_match)


def check_preferences(wanted: User) -> None:
    """Every worker has all of them in memory. Raises `Unprocessable`."""
    check_storable({"preferences": wanted.preferences})
    size = len(msgspec.json.encode(wanted.preferences))
    if size > LARGEST_PREFERENCES:
        raise Unprocessable(
            f"preferences: {size:,} bytes; at most {LARGEST_PREFERENCES:,} are kept", param="preferences"
        )
