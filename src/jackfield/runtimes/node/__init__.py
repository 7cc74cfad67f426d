"""JavaScript and TypeScript, each plugin in a process of its own on Node.js; what a program must be is at the head of
`worker.mjs`."""

from jackfield.runtimes.limits import Limits
from jackfield.runtimes.node.session import NodeSession, find_node

__all__ = ["Limits", "NodeSession", "find_node"]
