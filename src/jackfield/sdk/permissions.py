"""What a plugin may be allowed to do: a closed list. Each permission is `service:verb`, and its sentence is what an
operator reads before approving it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "storage:read": "Read what it has stored itself",
        "storage:write": "Store up to 10 MB of its own, and delete it",
        "http:outbound": "Send HTTP requests to the hosts that it lists",
        "events:subscribe": "Be told of events, such as messages and tool calls",
        "events:emit": "Send events to other plugins",
        "scheduler:read": "See its own scheduled tasks",
        "scheduler:write": "Run tasks later or again and again",
        "memory:read": "Search what is remembered of users",
        "memory:write": "Remember things of users",
        "users:read": "See who a user is, and their preferences",
        "tools:register": "Offer tools to models",
        "tools:execute": "Run tools of other plugins",
        "tools:refuse": "Refuse tool calls before they run, those of other plugins too",
        "users:any": "Deal with what is stored of users other than the one who asks",
        "routes:public": "Answer requests at paths of its own without asking for a key",
        "formats:register": "Read and write the bodies of requests and answers in formats of its own",
        "usage:read": "See what everybody has asked for, and what it cost",
        "credentials:use": "Use accounts that the operator signed in with, at providers that it declares or is lent",
        "mcp:connect": "Connect to the MCP servers that the operator configured, and offer their tools",
    }
)


def check_permission(name: str) -> str:
    """The name itself. Raises `ValueError` that tells the closest known one."""
    if name in PERMISSIONS:
        return name
    close = difflib.get_close_matches(name, PERMISSIONS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(PERMISSIONS)}"
    raise ValueError(f"there is no permission {name!r}{hint}")
