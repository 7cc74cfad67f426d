"""Config, life and agents; the config says what goes wrong."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator

from jackfield.sdk import AgentSpec, Health, Plugin, PluginConfig, Reject, agent, hook


class Config(PluginConfig):
    city: str = "Troy"
    most: Annotated[int, Field(ge=1, le=9)] = 3
    wrong: Literal["", "load", "enable", "health", "unload", "report"] = ""
    key: SecretStr | None = None

    @field_validator("city")
    @classmethod
    def _exists(cls, city: str) -> str:
        if city == "Atlantis":
            raise ValueError("sank")
        return city


class Lively(Plugin[Config]):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.steps: list[str] = []

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if self.config.wrong == name:
            raise ValueError(f"{name} is wrong")

    async def on_load(self) -> None:
        self._step("load")

    async def on_enable(self) -> None:
        self._step("enable")

    async def on_disable(self) -> None:
        self._step("disable")

    async def on_unload(self) -> None:
        self._step("unload")

    async def health(self) -> Health:
        return Health(self.config.wrong != "health", "a little cough")

    @agent("guide", "Knows the town.", tools=("plugin_lively_*",))
    def guide(self, declared: AgentSpec) -> AgentSpec:
        told = f"You are in {self.config.city}."
        return AgentSpec(id=declared.id, description=declared.description, instructions=told)

    @hook("pre_flight", on_failure="open")
    async def tell(self, exchange: Any) -> Any:
        if self.config.wrong == "report":
            self.report(False, "out of breath")
        key = self.config.key
        told = (self.config.city, self.config.most, key and key.get_secret_value(), self.steps)
        calls = self.counted()["calls"]
        return Reject(400, "told", f"{told} {calls}")
