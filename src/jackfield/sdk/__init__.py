"""All that a plugin author imports.

from jackfield.sdk import Plugin, hook, Reject

class NoShouting(Plugin):
    @hook("pre_flight", on_failure="open")
    async def check(self, exchange):
        if exchange.request.last_user_text().isupper():
            return Reject(429, "no_shouting", "Please do not shout.")
"""

from jackfield.errors import (
    ConnectFailed,
    EgressRefused,
    RateLimited,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from jackfield.sdk.agents import AgentSpec, agent
from jackfield.sdk.caller import Caller, current_caller
from jackfield.sdk.context import Attempt, Candidate, Exchange, Head, InboundRequest, Timings
from jackfield.sdk.events import EVENTS, Event, Events, ToolRefusal, subscribe
from jackfield.sdk.hooks import POINTS, HookPoint, HookSpec, hook
from jackfield.sdk.http import Http, HttpResponse
from jackfield.sdk.manifest import Manifest
from jackfield.sdk.mcp import Mcp, MountedServer
from jackfield.sdk.memory import Memories, Memory, MemoryType, TooManyMemories
from jackfield.sdk.outcomes import Answer, Continue, Drop, Identity, Outcome, Reject, Replace
from jackfield.sdk.plugin import Health, Plugin, PluginConfig
from jackfield.sdk.providers import ChatProvider, EmbeddingsProvider, HttpProvider, Provider, Target, Upstream
from jackfield.sdk.routes import MiddlewareLayer, MiddlewareSpec, RouterSpec, route
from jackfield.sdk.scheduler import ScheduledTask, Scheduler, task
from jackfield.sdk.services import KeyValue, NotGranted, QuotaExceeded, Services
from jackfield.sdk.shared import SharedServices
from jackfield.sdk.tools import ToolContext, ToolFailed, ToolReply, Tools, ToolSpec, tool
from jackfield.sdk.users import User, Users
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.chat import (
    CacheControl,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ErrorResponse,
    File,
    Finish,
    FinishReason,
    Image,
    Message,
    Opaque,
    OpaqueEvent,
    Part,
    Reasoning,
    Refusal,
    RefusalDelta,
    ResponseFormat,
    StreamEnd,
    StreamStart,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    TokenCount,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
    UsageReport,
)

__all__ = [
    "EVENTS",
    "POINTS",
    "AgentSpec",
    "Answer",
    "Attempt",
    "CacheControl",
    "Caller",
    "Candidate",
    "ChatEvent",
    "ChatProvider",
    "ChatRequest",
    "ChatResponse",
    "Choice",
    "ConnectFailed",
    "Continue",
    "Drop",
    "EgressRefused",
    "EmbeddingsProvider",
    "EmbeddingsRequest",
    "EmbeddingsResponse",
    "ErrorResponse",
    "Event",
    "Events",
    "Exchange",
    "File",
    "Finish",
    "FinishReason",
    "Head",
    "Health",
    "HookPoint",
    "HookSpec",
    "Http",
    "HttpProvider",
    "HttpResponse",
    "Identity",
    "Image",
    "InboundRequest",
    "KeyValue",
    "Manifest",
    "Mcp",
    "Memories",
    "Memory",
    "MemoryType",
    "Message",
    "MiddlewareLayer",
    "MiddlewareSpec",
    "MountedServer",
    "NotGranted",
    "Opaque",
    "OpaqueEvent",
    "Outcome",
    "OutgoingRequest",
    "Part",
    "Plugin",
    "PluginConfig",
    "Provider",
    "QuotaExceeded",
    "RateLimited",
    "Reasoning",
    "Refusal",
    "RefusalDelta",
    "Reject",
    "Replace",
    "ResponseFormat",
    "RouterSpec",
    "ScheduledTask",
    "Scheduler",
    "Services",
    "SharedServices",
    "StreamEnd",
    "StreamStart",
    "Target",
    "Text",
    "TextDelta",
    "Thinking",
    "ThinkingDelta",
    "Timings",
    "TokenCount",
    "TooManyMemories",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolContext",
    "ToolFailed",
    "ToolRefusal",
    "ToolReply",
    "ToolResult",
    "ToolSpec",
    "Tools",
    "Upstream",
    "UpstreamBroken",
    "UpstreamError",
    "UpstreamRejected",
    "UpstreamTimeout",
    "Usage",
    "UsageReport",
    "User",
    "Users",
    "agent",
    "current_caller",
    "hook",
    "route",
    "subscribe",
    "task",
    "tool",
]
