"""What a factory plugin declares of itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from jackfield.sdk.routes import MiddlewareLayer

__all__ = [
    "AuthCommandSpec",
    "CliArgumentSpec",
    "CliCommandSpec",
    "FormatAdapterSpec",
    "FormatPair",
    "HookSpec",
    "MiddlewareLayer",
    "MiddlewareSpec",
    "PluginManifest",
    "RouteSpec",
    "RouterSpec",
    "TaskSpec",
]

FormatPair = tuple[str, str]


@dataclass(frozen=True)
class FormatAdapterSpec:
    """`adapter_factory` makes an adapter; it may be a coroutine function."""

    from_format: str
    to_format: str
    adapter_factory: Callable[[], Any]
    priority: int = 100
    description: str = ""

    def __post_init__(self) -> None:
        if not self.from_format or not self.to_format:
            raise ValueError("FormatAdapterSpec: both formats must be named")
        if self.from_format == self.to_format:
            raise ValueError(f"FormatAdapterSpec: from {self.from_format!r} to itself")

    @property
    def format_pair(self) -> FormatPair:
        return self.from_format, self.to_format


@dataclass
class MiddlewareSpec:
    """Sorted by priority: the lowest is the outermost."""

    middleware_class: Any
    priority: int = MiddlewareLayer.APPLICATION
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __lt__(self, other: MiddlewareSpec) -> bool:
        return self.priority < other.priority


@dataclass
class RouteSpec:
    router: Any
    prefix: str
    tags: list[str] = field(default_factory=list)
    dependencies: list[Any] = field(default_factory=list)


@dataclass
class RouterSpec:
    """As `RouteSpec`; `router` may be a function that makes one."""

    router: Any
    prefix: str
    tags: list[str] = field(default_factory=list)
    dependencies: list[Any] = field(default_factory=list)


@dataclass
class TaskSpec:
    task_name: str
    task_type: str
    task_class: type[Any]
    interval_seconds: float
    enabled: bool = True
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass
class HookSpec:
    """`hook_class(**kwargs)` is subscribed to the events that it lists."""

    hook_class: Callable[..., Any]
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass
class AuthCommandSpec:
    command_name: str
    description: str
    handler: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CliCommandSpec:
    command_name: str
    command_function: Callable[..., Any]
    help_text: str = ""
    parent_command: str | None = None

    def __post_init__(self) -> None:
        if not self.command_name:
            raise ValueError("CliCommandSpec: the command must be named")
        if not callable(self.command_function):
            raise ValueError(f"CliCommandSpec {self.command_name!r}: its function cannot be called")


@dataclass(frozen=True)
class CliArgumentSpec:
    target_command: str
    argument_name: str
    argument_type: type[Any] = str
    help_text: str = ""
    default: Any = None
    required: bool = False
    typer_kwargs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.target_command or not self.argument_name:
            raise ValueError("CliArgumentSpec: the command and the argument must be named")


@dataclass
class PluginManifest:
    """`dependencies` are names of plugins; `provides`, `requires` and `optional_requires` names of services."""

    name: str
    version: str
    description: str = ""
    dependencies: list[str] = field(default_factory=list)
    is_provider: bool = False
    provides: list[str] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)
    optional_requires: list[str] = field(default_factory=list)
    middleware: list[MiddlewareSpec] = field(default_factory=list)
    routes: list[RouteSpec] = field(default_factory=list)
    tasks: list[TaskSpec] = field(default_factory=list)
    hooks: list[HookSpec] = field(default_factory=list)
    auth_commands: list[AuthCommandSpec] = field(default_factory=list)
    config_class: type[Any] | None = None
    tool_accumulator_class: type[Any] | None = None
    oauth_client_factory: Callable[..., Any] | None = None
    oauth_provider_factory: Callable[..., Any] | None = None
    token_manager_factory: Callable[..., Any] | None = None
    oauth_config_class: type[Any] | None = None
    oauth_routes: list[RouteSpec] = field(default_factory=list)
    format_adapters: list[FormatAdapterSpec] = field(default_factory=list)
    requires_format_adapters: list[FormatPair] = field(default_factory=list)
    cli_commands: list[CliCommandSpec] = field(default_factory=list)
    cli_arguments: list[CliArgumentSpec] = field(default_factory=list)

    def validate_dependencies(self, available_plugins: Collection[str]) -> list[str]:
        """Those that are missing."""
        return [name for name in self.dependencies if name not in available_plugins]

    def validate_service_dependencies(self, available_services: Collection[str]) -> list[str]:
        """Those that are missing."""
        return [name for name in self.requires if name not in available_services]

    def validate_format_adapter_requirements(self, available_adapters: Collection[FormatPair]) -> list[FormatPair]:
        """Those that are missing."""
        return [pair for pair in self.requires_format_adapters if pair not in available_adapters]

    def get_sorted_middleware(self) -> list[MiddlewareSpec]:
        return sorted(self.middleware)
