"""A world of its own: no network interfaces, nobody else's sockets, and no rights in it."""

from __future__ import annotations

import os

from .kernel import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWUTS, unshare

_NOBODY = 65534


def enter_user_namespace() -> None:
    """As nobody; what the process makes outside belongs to who started it. Raises `OSError`."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{_NOBODY} {user} 1"), ("gid_map", f"{_NOBODY} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def enter_network_namespace() -> None:
    """Needs a user namespace, or the rights of root. Raises `OSError`."""
    unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
