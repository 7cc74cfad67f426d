"""What plugins and Jackfield itself are tested with: a scripted upstream, a plain caller."""

from jackfield.testing.answers import Answer
from jackfield.testing.caller import Called, Caller
from jackfield.testing.received import Received
from jackfield.testing.replies import Asked, OfferedTool, Reply, derive_reply
from jackfield.testing.turn import Turn
from jackfield.testing.upstream import Upstream
from jackfield.testing.waiting import until

__all__ = [
    "Answer",
    "Asked",
    "Called",
    "Caller",
    "OfferedTool",
    "Received",
    "Reply",
    "Turn",
    "Upstream",
    "derive_reply",
    "until",
]
