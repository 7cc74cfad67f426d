"""From permissions to services."""

from __future__ import annotations

import pytest

from jackfield.sdk.permissions import PERMISSIONS
from jackfield.sdk.services import NEEDED, NotGranted, Services
from jackfield.services.grants import Difference, difference

from .conftest import Factory

SERVICES = [name for name, member in vars(Services).items() if isinstance(member, property)]


def test_without_permissions_every_service_is_absent_and_says_what_it_needs(factory: Factory) -> None:
    services = factory.build("notes", frozenset())
    assert set(SERVICES) == {*NEEDED, "shared"}
    for name, permission in NEEDED.items():
        with pytest.raises(NotGranted, match=f"plugin notes has no permission '{permission}'") as refused:
            getattr(services, name)
        assert PERMISSIONS[permission] in str(refused.value)


@pytest.mark.parametrize("permission", ["storage:read", "storage:write"])
def test_either_permission_of_storage_brings_it(factory: Factory, permission: str) -> None:
    assert factory.build("notes", frozenset({permission})).kv is not None


def test_permissions_of_other_services_do_not(factory: Factory) -> None:
    others = frozenset(name for name in PERMISSIONS if not name.startswith("storage:"))
    with pytest.raises(NotGranted):
        _ = factory.build("notes", others).kv


def test_a_permission_that_does_not_exist_is_refused(factory: Factory) -> None:
    with pytest.raises(ValueError, match="no permission 'storage:reed'; did you mean 'storage:read'"):
        factory.build("notes", frozenset({"storage:reed"}))


def test_an_upgrade_is_shown_as_what_it_adds_and_removes() -> None:
    before = ["storage:read", "events:emit", "retired:verb"]
    after = ["tools:register", "storage:write", "storage:read"]
    assert difference(before, after) == Difference(
        added=("storage:write", "tools:register"), removed=("events:emit", "retired:verb")
    )
    assert difference(after, after) == Difference(added=(), removed=())
