"""One message's sender, and what became of the tool that it called."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from jackfield.sdk.caller import Caller
from jackfield.services.tool_table import OfferedTool, ToolDirectory


class Visit(msgspec.Struct, kw_only=True):
    """`enveloped` is whether the message says itself what the handshake said before."""

    caller: Caller
    tools: ToolDirectory
    credential: str | None
    session: str
    takes_events: bool
    headers: Mapping[str, str]
    enveloped: bool
    found: OfferedTool | None = None
    failed: bool = False
    taken_back: bool = False
