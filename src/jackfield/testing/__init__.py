"""What plugins and Jackfield itself are tested with: a scripted upstream, a plain caller."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jackfield.testing.answers import Answer
    from jackfield.testing.caller import Called, Caller
    from jackfield.testing.host import FakeHost
    from jackfield.testing.memory import HandClock
    from jackfield.testing.received import Received
    from jackfield.testing.replies import Asked, OfferedTool, Reply, derive_reply
    from jackfield.testing.trial import Trial
    from jackfield.testing.turn import Turn
    from jackfield.testing.upstream import Upstream
    from jackfield.testing.waiting import until

__all__ = [
    "Answer",
    "Asked",
    "Called",
    "Caller",
    "FakeHost",
    "HandClock",
    "OfferedTool",
    "Received",
    "Reply",
    "Trial",
    "Turn",
    "Upstream",
    "derive_reply",
    "until",
]

# Imported when they are asked for: pytest imports this package in every run, for the plugin in it.
_MODULES = {
    "Answer": "answers",
    "Asked": "replies",
    "Called": "caller",
    "Caller": "caller",
    "FakeHost": "host",
    "HandClock": "memory",
    "OfferedTool": "replies",
    "Received": "received",
    "Reply": "replies",
    "Trial": "trial",
    "Turn": "turn",
    "Upstream": "upstream",
    "derive_reply": "replies",
    "until": "waiting",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
