"""Our own HTTP/1.1 client: fast, bounded in every direction, and particular about where it connects."""

from jackfield.transport.check import EgressPolicy
from jackfield.transport.client import HttpClient, Stats
from jackfield.transport.decode import ACCEPT_ENCODING
from jackfield.transport.messages import Deadlines, Limits, OutgoingRequest
from jackfield.transport.resolve import Resolver, SystemResolver, ThreadedResolver
from jackfield.transport.response import UpstreamResponse

__all__ = [
    "ACCEPT_ENCODING",
    "Deadlines",
    "EgressPolicy",
    "HttpClient",
    "Limits",
    "OutgoingRequest",
    "Resolver",
    "Stats",
    "SystemResolver",
    "ThreadedResolver",
    "UpstreamResponse",
]
