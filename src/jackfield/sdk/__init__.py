"""All that a plugin author imports.

from jackfield.sdk import Plugin, hook, Reject

class NoShouting(Plugin):
    @hook("pre_flight", on_failure="open")
    async def check(self, exchange):
        if exchange.request.last_user_text().isupper():
            return Reject(429, "no_shouting", "Please do not shout.")
"""

from jackfield.errors import ConnectFailed, UpstreamBroken, UpstreamError, UpstreamRejected, UpstreamTimeout
from jackfield.sdk.context import Attempt, Candidate, Exchange, Head, InboundRequest, Timings
from jackfield.sdk.hooks import POINTS, HookPoint, HookSpec, hook
from jackfield.sdk.manifest import Manifest
from jackfield.sdk.outcomes import Answer, Continue, Drop, Identity, Outcome, Reject, Replace
from jackfield.sdk.plugin import Health, Plugin, PluginConfig
from jackfield.sdk.providers import CanonicalProvider, HttpProvider, Provider, Target, Upstream
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ErrorResponse,
    Finish,
    Message,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

__all__ = [
    "POINTS",
    "Answer",
    "Attempt",
    "Candidate",
    "CanonicalProvider",
    "ChatEvent",
    "ChatRequest",
    "ChatResponse",
    "Choice",
    "ConnectFailed",
    "Continue",
    "Drop",
    "EmbeddingsRequest",
    "EmbeddingsResponse",
    "ErrorResponse",
    "Exchange",
    "Finish",
    "Head",
    "Health",
    "HookPoint",
    "HookSpec",
    "HttpProvider",
    "Identity",
    "InboundRequest",
    "Manifest",
    "Message",
    "Outcome",
    "OutgoingRequest",
    "Plugin",
    "PluginConfig",
    "Provider",
    "Reject",
    "Replace",
    "Target",
    "Text",
    "TextDelta",
    "Timings",
    "ToolCall",
    "ToolCallDelta",
    "Upstream",
    "UpstreamBroken",
    "UpstreamError",
    "UpstreamRejected",
    "UpstreamTimeout",
    "Usage",
    "hook",
]
