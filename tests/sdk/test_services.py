"""What the services object says where something was not granted."""

from __future__ import annotations

import pytest

from jackfield.sdk import Plugin
from jackfield.sdk.permissions import PERMISSIONS, check_permission
from jackfield.sdk.plugin import PluginConfig
from jackfield.sdk.services import NEEDED, NotGranted, QuotaExceeded, Services


class Notes(Plugin): ...


def test_a_refusal_names_plugin_permission_and_what_it_is_for() -> None:
    services = Services("notes", {}, NEEDED)
    told = r"plugin notes has no permission 'storage:read' \(Read what it has stored itself\)"
    with pytest.raises(NotGranted, match=told) as refused:
        _ = services.kv
    assert (refused.value.plugin, refused.value.permission) == ("notes", "storage:read")


def test_a_plugin_made_by_hand_has_no_services() -> None:
    with pytest.raises(NotGranted, match="made without services"):
        _ = Notes("notes", PluginConfig()).services.kv


def test_what_was_granted_is_handed_out() -> None:
    granted = object()
    assert Services("notes", {"kv": granted}, NEEDED).kv is granted


def test_a_full_storage_names_its_owner_and_the_key() -> None:
    assert str(QuotaExceeded("plugin:notes", "k", 1000, 10_485_760)) == (
        "plugin:notes cannot store 'k': it would have more than 1,000 keys or 10,485,760 bytes"
    )


@pytest.mark.parametrize("name", PERMISSIONS)
def test_permissions_are_a_service_and_a_verb_and_read_as_a_sentence(name: str) -> None:
    assert check_permission(name) == name
    assert len(name.split(":")) == 2
    assert PERMISSIONS[name][0].isupper()
    assert not PERMISSIONS[name].endswith(".")


@pytest.mark.parametrize(
    ("name", "told"),
    [("storage:reed", "did you mean 'storage:read'"), ("xyz", "known are storage:read, storage:write, http:outbound")],
)
def test_an_unknown_permission_is_refused_with_what_is_known(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_permission(name)
