# ruff: noqa
# fmt: off
# mypy: ignore-errors
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Description(_message.Message):
    __slots__ = ("protocol", "manifest_json", "config_schema_json", "ui_schema_json", "hooks", "serves", "aliases", "object_hooks", "receivers", "pages", "agents", "streams_chunks", "converses")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    CONFIG_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    UI_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    HOOKS_FIELD_NUMBER: _ClassVar[int]
    SERVES_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    OBJECT_HOOKS_FIELD_NUMBER: _ClassVar[int]
    RECEIVERS_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    CONVERSES_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    manifest_json: bytes
    config_schema_json: bytes
    ui_schema_json: bytes
    hooks: _containers.RepeatedCompositeFieldContainer[Hook]
    serves: _containers.RepeatedScalarFieldContainer[str]
    aliases: _containers.RepeatedScalarFieldContainer[str]
    object_hooks: _containers.RepeatedCompositeFieldContainer[ObjectHook]
    receivers: _containers.RepeatedCompositeFieldContainer[Receiver]
    pages: _containers.RepeatedCompositeFieldContainer[Page]
    agents: _containers.RepeatedCompositeFieldContainer[AgentSpec]
    streams_chunks: bool
    converses: bool
    def __init__(self, protocol: _Optional[int] = ..., manifest_json: _Optional[bytes] = ..., config_schema_json: _Optional[bytes] = ..., ui_schema_json: _Optional[bytes] = ..., hooks: _Optional[_Iterable[_Union[Hook, _Mapping]]] = ..., serves: _Optional[_Iterable[str]] = ..., aliases: _Optional[_Iterable[str]] = ..., object_hooks: _Optional[_Iterable[_Union[ObjectHook, _Mapping]]] = ..., receivers: _Optional[_Iterable[_Union[Receiver, _Mapping]]] = ..., pages: _Optional[_Iterable[_Union[Page, _Mapping]]] = ..., agents: _Optional[_Iterable[_Union[AgentSpec, _Mapping]]] = ..., streams_chunks: _Optional[bool] = ..., converses: _Optional[bool] = ...) -> None: ...

class Hook(_message.Message):
    __slots__ = ("point", "name", "on_failure", "priority", "timeout_ms", "edits", "replaces_record", "sees_answer", "look_behind", "hold", "operations", "before", "after")
    POINT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    REPLACES_RECORD_FIELD_NUMBER: _ClassVar[int]
    SEES_ANSWER_FIELD_NUMBER: _ClassVar[int]
    LOOK_BEHIND_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    point: str
    name: str
    on_failure: str
    priority: int
    timeout_ms: int
    edits: bool
    replaces_record: bool
    sees_answer: bool
    look_behind: int
    hold: int
    operations: _containers.RepeatedScalarFieldContainer[str]
    before: _containers.RepeatedScalarFieldContainer[str]
    after: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, point: _Optional[str] = ..., name: _Optional[str] = ..., on_failure: _Optional[str] = ..., priority: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., edits: _Optional[bool] = ..., replaces_record: _Optional[bool] = ..., sees_answer: _Optional[bool] = ..., look_behind: _Optional[int] = ..., hold: _Optional[int] = ..., operations: _Optional[_Iterable[str]] = ..., before: _Optional[_Iterable[str]] = ..., after: _Optional[_Iterable[str]] = ...) -> None: ...

class OpenSessionRequest(_message.Message):
    __slots__ = ("broker_id", "address")
    BROKER_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    broker_id: int
    address: str
    def __init__(self, broker_id: _Optional[int] = ..., address: _Optional[str] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("id", "config_json", "granted", "development")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    config_json: bytes
    granted: _containers.RepeatedScalarFieldContainer[str]
    development: bool
    def __init__(self, id: _Optional[str] = ..., config_json: _Optional[bytes] = ..., granted: _Optional[_Iterable[str]] = ..., development: _Optional[bool] = ...) -> None: ...

class Loaded(_message.Message):
    __slots__ = ("config_json", "agents", "tools", "subscriptions", "tasks", "endpoints")
    CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    config_json: bytes
    agents: _containers.RepeatedCompositeFieldContainer[AgentSpec]
    tools: _containers.RepeatedCompositeFieldContainer[ToolSpec]
    subscriptions: _containers.RepeatedScalarFieldContainer[str]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskSpec]
    endpoints: _containers.RepeatedCompositeFieldContainer[Endpoint]
    def __init__(self, config_json: _Optional[bytes] = ..., agents: _Optional[_Iterable[_Union[AgentSpec, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[ToolSpec, _Mapping]]] = ..., subscriptions: _Optional[_Iterable[str]] = ..., tasks: _Optional[_Iterable[_Union[TaskSpec, _Mapping]]] = ..., endpoints: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ...) -> None: ...

class AgentSpec(_message.Message):
    __slots__ = ("id", "description", "model", "instructions", "tools", "max_turns")
    ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    MAX_TURNS_FIELD_NUMBER: _ClassVar[int]
    id: str
    description: str
    model: str
    instructions: str
    tools: _containers.RepeatedScalarFieldContainer[str]
    max_turns: int
    def __init__(self, id: _Optional[str] = ..., description: _Optional[str] = ..., model: _Optional[str] = ..., instructions: _Optional[str] = ..., tools: _Optional[_Iterable[str]] = ..., max_turns: _Optional[int] = ...) -> None: ...

class TaskSpec(_message.Message):
    __slots__ = ("name", "every_s", "cron", "timezone")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EVERY_S_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    name: str
    every_s: float
    cron: str
    timezone: str
    def __init__(self, name: _Optional[str] = ..., every_s: _Optional[float] = ..., cron: _Optional[str] = ..., timezone: _Optional[str] = ...) -> None: ...

class Healthy(_message.Message):
    __slots__ = ("ok", "detail")
    OK_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    detail: str
    def __init__(self, ok: _Optional[bool] = ..., detail: _Optional[str] = ...) -> None: ...

class HookCall(_message.Message):
    __slots__ = ("name", "exchange", "opening_json", "seen_json", "event_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    OPENING_JSON_FIELD_NUMBER: _ClassVar[int]
    SEEN_JSON_FIELD_NUMBER: _ClassVar[int]
    EVENT_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    exchange: str
    opening_json: bytes
    seen_json: bytes
    event_json: bytes
    def __init__(self, name: _Optional[str] = ..., exchange: _Optional[str] = ..., opening_json: _Optional[bytes] = ..., seen_json: _Optional[bytes] = ..., event_json: _Optional[bytes] = ...) -> None: ...

class ExchangeEnd(_message.Message):
    __slots__ = ("exchange",)
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    exchange: str
    def __init__(self, exchange: _Optional[str] = ...) -> None: ...

class HookRequest(_message.Message):
    __slots__ = ("call", "hook", "cancelled", "end")
    CALL_FIELD_NUMBER: _ClassVar[int]
    HOOK_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    call: str
    hook: HookCall
    cancelled: Empty
    end: ExchangeEnd
    def __init__(self, call: _Optional[str] = ..., hook: _Optional[_Union[HookCall, _Mapping]] = ..., cancelled: _Optional[_Union[Empty, _Mapping]] = ..., end: _Optional[_Union[ExchangeEnd, _Mapping]] = ...) -> None: ...

class HookReply(_message.Message):
    __slots__ = ("call", "outcome", "failure")
    CALL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    call: str
    outcome: Outcome
    failure: Failure
    def __init__(self, call: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("replace", "reject", "answer", "drop", "identity")
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    REJECT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    replace: Replace
    reject: Reject
    answer: Answer
    drop: Drop
    identity: Identity
    def __init__(self, replace: _Optional[_Union[Replace, _Mapping]] = ..., reject: _Optional[_Union[Reject, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., drop: _Optional[_Union[Drop, _Mapping]] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ...) -> None: ...

class Replace(_message.Message):
    __slots__ = ("inbound", "request_json", "candidates_json", "outgoing", "head", "events_json", "response_json")
    INBOUND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTGOING_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    EVENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_JSON_FIELD_NUMBER: _ClassVar[int]
    inbound: Inbound
    request_json: bytes
    candidates_json: bytes
    outgoing: Outgoing
    head: Head
    events_json: bytes
    response_json: bytes
    def __init__(self, inbound: _Optional[_Union[Inbound, _Mapping]] = ..., request_json: _Optional[bytes] = ..., candidates_json: _Optional[bytes] = ..., outgoing: _Optional[_Union[Outgoing, _Mapping]] = ..., head: _Optional[_Union[Head, _Mapping]] = ..., events_json: _Optional[bytes] = ..., response_json: _Optional[bytes] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Inbound(_message.Message):
    __slots__ = ("method", "path", "headers", "body", "query", "client")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    method: str
    path: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    query: str
    client: str
    def __init__(self, method: _Optional[str] = ..., path: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., query: _Optional[str] = ..., client: _Optional[str] = ...) -> None: ...

class Outgoing(_message.Message):
    __slots__ = ("method", "url", "headers", "body")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    method: str
    url: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    def __init__(self, method: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("status", "headers")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    status: int
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    def __init__(self, status: _Optional[int] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ...) -> None: ...

class Reject(_message.Message):
    __slots__ = ("status", "code", "message", "retry_after_s")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    status: int
    code: str
    message: str
    retry_after_s: float
    def __init__(self, status: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("response_json",)
    RESPONSE_JSON_FIELD_NUMBER: _ClassVar[int]
    response_json: bytes
    def __init__(self, response_json: _Optional[bytes] = ...) -> None: ...

class Drop(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Identity(_message.Message):
    __slots__ = ("user", "app", "credential", "namespace", "role", "models", "claims_json")
    USER_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_JSON_FIELD_NUMBER: _ClassVar[int]
    user: str
    app: str
    credential: str
    namespace: str
    role: str
    models: _containers.RepeatedScalarFieldContainer[str]
    claims_json: bytes
    def __init__(self, user: _Optional[str] = ..., app: _Optional[str] = ..., credential: _Optional[str] = ..., namespace: _Optional[str] = ..., role: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., claims_json: _Optional[bytes] = ...) -> None: ...

class ProviderCall(_message.Message):
    __slots__ = ("request_json", "upstream", "caller")
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    request_json: bytes
    upstream: Upstream
    caller: Caller
    def __init__(self, request_json: _Optional[bytes] = ..., upstream: _Optional[_Union[Upstream, _Mapping]] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ...) -> None: ...

class Upstream(_message.Message):
    __slots__ = ("name", "base_url", "options_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    base_url: str
    options_json: bytes
    def __init__(self, name: _Optional[str] = ..., base_url: _Optional[str] = ..., options_json: _Optional[bytes] = ...) -> None: ...

class ProviderReply(_message.Message):
    __slots__ = ("value_json", "failure")
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    value_json: bytes
    failure: UpstreamFailure
    def __init__(self, value_json: _Optional[bytes] = ..., failure: _Optional[_Union[UpstreamFailure, _Mapping]] = ...) -> None: ...

class UpstreamFailure(_message.Message):
    __slots__ = ("kind", "message", "sent", "retry_after_s", "status", "code", "body", "format")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    message: str
    sent: bool
    retry_after_s: float
    status: int
    code: str
    body: bytes
    format: str
    def __init__(self, kind: _Optional[str] = ..., message: _Optional[str] = ..., sent: _Optional[bool] = ..., retry_after_s: _Optional[float] = ..., status: _Optional[int] = ..., code: _Optional[str] = ..., body: _Optional[bytes] = ..., format: _Optional[str] = ...) -> None: ...

class ToolSpec(_message.Message):
    __slots__ = ("name", "description", "input_schema_json", "timeout_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    input_schema_json: bytes
    timeout_s: float
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., input_schema_json: _Optional[bytes] = ..., timeout_s: _Optional[float] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("name", "arguments_json", "call", "caller", "listened", "plugin")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    LISTENED_FIELD_NUMBER: _ClassVar[int]
    PLUGIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    arguments_json: bytes
    call: str
    caller: Caller
    listened: bool
    plugin: str
    def __init__(self, name: _Optional[str] = ..., arguments_json: _Optional[bytes] = ..., call: _Optional[str] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ..., listened: _Optional[bool] = ..., plugin: _Optional[str] = ...) -> None: ...

class Caller(_message.Message):
    __slots__ = ("user", "app", "credential", "conversation", "request", "models", "depth")
    USER_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    user: str
    app: str
    credential: str
    conversation: str
    request: str
    models: _containers.RepeatedScalarFieldContainer[str]
    depth: int
    def __init__(self, user: _Optional[str] = ..., app: _Optional[str] = ..., credential: _Optional[str] = ..., conversation: _Optional[str] = ..., request: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., depth: _Optional[int] = ...) -> None: ...

class ToolEvent(_message.Message):
    __slots__ = ("progress", "reply")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    reply: ToolReply
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., reply: _Optional[_Union[ToolReply, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("fraction", "message")
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    fraction: float
    message: str
    def __init__(self, fraction: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class ToolReply(_message.Message):
    __slots__ = ("success", "result_json", "error")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    success: bool
    result_json: bytes
    error: str
    def __init__(self, success: _Optional[bool] = ..., result_json: _Optional[bytes] = ..., error: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("type", "data_json", "source", "at", "caller")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_JSON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    type: str
    data_json: bytes
    source: str
    at: float
    caller: Caller
    def __init__(self, type: _Optional[str] = ..., data_json: _Optional[bytes] = ..., source: _Optional[str] = ..., at: _Optional[float] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ...) -> None: ...

class EventReply(_message.Message):
    __slots__ = ("refusal",)
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    refusal: str
    def __init__(self, refusal: _Optional[str] = ...) -> None: ...

class TaskRun(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("path", "methods", "public", "description", "at_root")
    PATH_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    AT_ROOT_FIELD_NUMBER: _ClassVar[int]
    path: str
    methods: _containers.RepeatedScalarFieldContainer[str]
    public: bool
    description: str
    at_root: bool
    def __init__(self, path: _Optional[str] = ..., methods: _Optional[_Iterable[str]] = ..., public: _Optional[bool] = ..., description: _Optional[str] = ..., at_root: _Optional[bool] = ...) -> None: ...

class EndpointRequest(_message.Message):
    __slots__ = ("endpoint", "method", "path", "base", "query", "headers", "body", "caller", "parameters")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    method: str
    path: str
    base: str
    query: bytes
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    caller: Caller
    parameters: _containers.ScalarMap[str, str]
    def __init__(self, endpoint: _Optional[str] = ..., method: _Optional[str] = ..., path: _Optional[str] = ..., base: _Optional[str] = ..., query: _Optional[bytes] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ..., parameters: _Optional[_Mapping[str, str]] = ...) -> None: ...

class EndpointReply(_message.Message):
    __slots__ = ("status", "headers", "body")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    status: int
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    def __init__(self, status: _Optional[int] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ...) -> None: ...

class AgentMessage(_message.Message):
    __slots__ = ("agent", "request_json", "caller")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    agent: str
    request_json: bytes
    caller: Caller
    def __init__(self, agent: _Optional[str] = ..., request_json: _Optional[bytes] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ...) -> None: ...

class AgentEvent(_message.Message):
    __slots__ = ("event_json",)
    EVENT_JSON_FIELD_NUMBER: _ClassVar[int]
    event_json: bytes
    def __init__(self, event_json: _Optional[bytes] = ...) -> None: ...

class ObjectHook(_message.Message):
    __slots__ = ("object", "moments", "priority")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    MOMENTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    object: str
    moments: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    def __init__(self, object: _Optional[str] = ..., moments: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ...) -> None: ...

class ObjectCall(_message.Message):
    __slots__ = ("object", "moment", "operation", "value_json", "before_json", "user")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    MOMENT_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    BEFORE_JSON_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    object: str
    moment: str
    operation: str
    value_json: bytes
    before_json: bytes
    user: str
    def __init__(self, object: _Optional[str] = ..., moment: _Optional[str] = ..., operation: _Optional[str] = ..., value_json: _Optional[bytes] = ..., before_json: _Optional[bytes] = ..., user: _Optional[str] = ...) -> None: ...

class ObjectOutcome(_message.Message):
    __slots__ = ("refusal", "value_json", "message")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    refusal: str
    value_json: bytes
    message: str
    def __init__(self, refusal: _Optional[str] = ..., value_json: _Optional[bytes] = ..., message: _Optional[str] = ...) -> None: ...

class Receiver(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("receiver", "id", "payload", "edge", "namespace", "correlation", "metadata", "sent_at", "received_at")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    EDGE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    id: str
    payload: bytes
    edge: str
    namespace: str
    correlation: str
    metadata: _containers.ScalarMap[str, str]
    sent_at: float
    received_at: float
    def __init__(self, receiver: _Optional[str] = ..., id: _Optional[str] = ..., payload: _Optional[bytes] = ..., edge: _Optional[str] = ..., namespace: _Optional[str] = ..., correlation: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., sent_at: _Optional[float] = ..., received_at: _Optional[float] = ...) -> None: ...

class Page(_message.Message):
    __slots__ = ("id", "title", "audience", "entry", "icon", "groups")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    audience: str
    entry: str
    icon: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., audience: _Optional[str] = ..., entry: _Optional[str] = ..., icon: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ...) -> None: ...

class AssetRequest(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class AssetReply(_message.Message):
    __slots__ = ("content", "media_type")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    media_type: str
    def __init__(self, content: _Optional[bytes] = ..., media_type: _Optional[str] = ...) -> None: ...

class PageCall(_message.Message):
    __slots__ = ("page", "method", "payload_json", "caller")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    page: str
    method: str
    payload_json: bytes
    caller: Caller
    def __init__(self, page: _Optional[str] = ..., method: _Optional[str] = ..., payload_json: _Optional[bytes] = ..., caller: _Optional[_Union[Caller, _Mapping]] = ...) -> None: ...

class PageReply(_message.Message):
    __slots__ = ("payload_json",)
    PAYLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    payload_json: bytes
    def __init__(self, payload_json: _Optional[bytes] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("level", "text", "fields_json")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_JSON_FIELD_NUMBER: _ClassVar[int]
    level: str
    text: str
    fields_json: bytes
    def __init__(self, level: _Optional[str] = ..., text: _Optional[str] = ..., fields_json: _Optional[bytes] = ...) -> None: ...

class KvScope(_message.Message):
    __slots__ = ("namespace", "user")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    user: str
    def __init__(self, namespace: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class KvKey(_message.Message):
    __slots__ = ("key", "scope")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    key: str
    scope: KvScope
    def __init__(self, key: _Optional[str] = ..., scope: _Optional[_Union[KvScope, _Mapping]] = ...) -> None: ...

class KvValue(_message.Message):
    __slots__ = ("value_json",)
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    value_json: bytes
    def __init__(self, value_json: _Optional[bytes] = ...) -> None: ...

class KvSetRequest(_message.Message):
    __slots__ = ("key", "scope", "value_json", "ttl_s")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    key: str
    scope: KvScope
    value_json: bytes
    ttl_s: float
    def __init__(self, key: _Optional[str] = ..., scope: _Optional[_Union[KvScope, _Mapping]] = ..., value_json: _Optional[bytes] = ..., ttl_s: _Optional[float] = ...) -> None: ...

class KvFlag(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: bool
    def __init__(self, value: _Optional[bool] = ...) -> None: ...

class KvCount(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: int
    def __init__(self, value: _Optional[int] = ...) -> None: ...

class KvListRequest(_message.Message):
    __slots__ = ("prefix", "scope")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    scope: KvScope
    def __init__(self, prefix: _Optional[str] = ..., scope: _Optional[_Union[KvScope, _Mapping]] = ...) -> None: ...

class KvKeys(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class KvIncrementRequest(_message.Message):
    __slots__ = ("key", "scope", "by", "ttl_s")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    key: str
    scope: KvScope
    by: int
    ttl_s: float
    def __init__(self, key: _Optional[str] = ..., scope: _Optional[_Union[KvScope, _Mapping]] = ..., by: _Optional[int] = ..., ttl_s: _Optional[float] = ...) -> None: ...

class KvCompareAndSetRequest(_message.Message):
    __slots__ = ("key", "scope", "expected_json", "value_json", "ttl_s")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_JSON_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    key: str
    scope: KvScope
    expected_json: bytes
    value_json: bytes
    ttl_s: float
    def __init__(self, key: _Optional[str] = ..., scope: _Optional[_Union[KvScope, _Mapping]] = ..., expected_json: _Optional[bytes] = ..., value_json: _Optional[bytes] = ..., ttl_s: _Optional[float] = ...) -> None: ...

class HttpCall(_message.Message):
    __slots__ = ("method", "url", "headers", "body", "timeout_s", "keep_redirects")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    KEEP_REDIRECTS_FIELD_NUMBER: _ClassVar[int]
    method: str
    url: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    timeout_s: float
    keep_redirects: bool
    def __init__(self, method: _Optional[str] = ..., url: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., timeout_s: _Optional[float] = ..., keep_redirects: _Optional[bool] = ...) -> None: ...

class HttpReply(_message.Message):
    __slots__ = ("status", "reason", "headers", "body", "url")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    status: int
    reason: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    url: str
    def __init__(self, status: _Optional[int] = ..., reason: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., url: _Optional[str] = ...) -> None: ...

class EventType(_message.Message):
    __slots__ = ("type",)
    TYPE_FIELD_NUMBER: _ClassVar[int]
    type: str
    def __init__(self, type: _Optional[str] = ...) -> None: ...

class ScheduleRequest(_message.Message):
    __slots__ = ("task", "once")
    TASK_FIELD_NUMBER: _ClassVar[int]
    ONCE_FIELD_NUMBER: _ClassVar[int]
    task: TaskSpec
    once: bool
    def __init__(self, task: _Optional[_Union[TaskSpec, _Mapping]] = ..., once: _Optional[bool] = ...) -> None: ...

class TaskId(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ScheduledTasks(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[ScheduledTask]
    def __init__(self, tasks: _Optional[_Iterable[_Union[ScheduledTask, _Mapping]]] = ...) -> None: ...

class ScheduledTask(_message.Message):
    __slots__ = ("id", "task", "last_run", "next_run", "runs", "last_error")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAST_RUN_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: TaskSpec
    last_run: float
    next_run: float
    runs: int
    last_error: str
    def __init__(self, id: _Optional[str] = ..., task: _Optional[_Union[TaskSpec, _Mapping]] = ..., last_run: _Optional[float] = ..., next_run: _Optional[float] = ..., runs: _Optional[int] = ..., last_error: _Optional[str] = ...) -> None: ...

class ToolName(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class MemorySearch(_message.Message):
    __slots__ = ("query", "user", "limit")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    query: str
    user: str
    limit: int
    def __init__(self, query: _Optional[str] = ..., user: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class Memories(_message.Message):
    __slots__ = ("memories",)
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    memories: _containers.RepeatedCompositeFieldContainer[Memory]
    def __init__(self, memories: _Optional[_Iterable[_Union[Memory, _Mapping]]] = ...) -> None: ...

class Memory(_message.Message):
    __slots__ = ("id", "content", "type", "importance", "similarity", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: str
    type: str
    importance: int
    similarity: float
    created_at: float
    def __init__(self, id: _Optional[str] = ..., content: _Optional[str] = ..., type: _Optional[str] = ..., importance: _Optional[int] = ..., similarity: _Optional[float] = ..., created_at: _Optional[float] = ...) -> None: ...

class NewMemory(_message.Message):
    __slots__ = ("user", "content", "type", "importance")
    USER_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    user: str
    content: str
    type: str
    importance: int
    def __init__(self, user: _Optional[str] = ..., content: _Optional[str] = ..., type: _Optional[str] = ..., importance: _Optional[int] = ...) -> None: ...

class MemoryId(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class UserId(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class UserReply(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: User
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("id", "name", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    created_at: float
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., created_at: _Optional[float] = ...) -> None: ...

class Preferences(_message.Message):
    __slots__ = ("values_json",)
    VALUES_JSON_FIELD_NUMBER: _ClassVar[int]
    values_json: bytes
    def __init__(self, values_json: _Optional[bytes] = ...) -> None: ...
