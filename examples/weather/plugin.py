"""Weather for models: two tools, a cache, and a count of how often users ask about it."""

from __future__ import annotations

import re
from asyncio import get_running_loop
from typing import Annotated, Any, Literal

from pydantic import Field

from jackfield.sdk import Event, Plugin, PluginConfig, QuotaExceeded, subscribe, tool

from .open_meteo import OpenMeteo, Place, tell_sky

ABOUT_WEATHER = re.compile(r"\b(weather|forecast|temperature|rain|snow|sunny)\b", re.IGNORECASE)
QUESTIONS = "questions"
# Counting takes one of the plugin's 100 operations a minute, which the tools need: it is done for several together.
SAVED_EVERY_S = 10.0

PlaceName = Annotated[str, Field(min_length=1, max_length=100, description="A town, such as Bergen")]
Days = Annotated[int, Field(ge=1, le=7, description="How many days, today included")]
Units = Literal["celsius", "fahrenheit"]


class WeatherConfig(PluginConfig):
    language: str = Field("en", pattern="^[a-z]{2}$", description="In which language places are named")
    cache_s: float = Field(300, ge=1, le=86_400, description="How long an answer of the service is used again")


class Weather(Plugin[WeatherConfig]):
    """The weather of today and of the next days."""

    async def on_load(self) -> None:
        self._service = OpenMeteo(self.services.http, self.config.language)
        self._uncounted = 0
        self._counted_at = get_running_loop().time()

    async def on_disable(self) -> None:
        await self._save_count()

    @tool("Tells the current weather of a place")
    async def current(self, place: PlaceName, units: Units = "celsius") -> dict[str, Any]:
        key = f"current:{units}:{place.lower()}"
        known = await self.services.kv.get(key)
        if known is not None:
            return known
        found = await self._service.find(place)
        now = await self._service.read_now(found, units)
        told = {
            "place": _name(found),
            "at": now.time,
            "sky": tell_sky(now.weather_code),
            "temperature": now.temperature_2m,
            "feels_like": now.apparent_temperature,
            "units": units,
            "humidity_percent": now.relative_humidity_2m,
            "wind_kmh": now.wind_speed_10m,
        }
        await self._keep(key, told)
        return told

    @tool("Tells the weather of a place for the next days")
    async def forecast(self, place: PlaceName, days: Days = 3, units: Units = "celsius") -> dict[str, Any]:
        key = f"forecast:{units}:{days}:{place.lower()}"
        known = await self.services.kv.get(key)
        if known is not None:
            return known
        found = await self._service.find(place)
        daily = await self._service.read_days(found, days, units)
        columns = zip(
            daily.time,
            daily.weather_code,
            daily.temperature_2m_min,
            daily.temperature_2m_max,
            daily.precipitation_probability_max,
            strict=False,
        )
        told = {
            "place": _name(found),
            "units": units,
            "days": [
                {"day": day, "sky": tell_sky(code), "lowest": low, "highest": high, "rain_percent": rain}
                for day, code, low, high, rain in columns
            ],
        }
        await self._keep(key, told)
        return told

    async def _keep(self, key: str, told: dict[str, Any]) -> None:
        try:
            await self.services.kv.set(key, told, ttl_s=self.config.cache_s)
        except QuotaExceeded:
            self.log.info("cache_is_full", key=key)

    @subscribe("message:received")
    async def count(self, event: Event) -> None:
        if ABOUT_WEATHER.search(str(event.data.get("content", ""))):
            self._uncounted += 1
            if get_running_loop().time() - self._counted_at >= SAVED_EVERY_S:
                await self._save_count()

    async def _save_count(self) -> None:
        """Not by `@task`, which runs in one of several workers, and each has counted."""
        counted, self._uncounted = self._uncounted, 0
        self._counted_at = get_running_loop().time()
        if counted:
            total = await self.services.kv.increment(QUESTIONS, counted)
            self.log.info("weather_was_asked_about", times=total)


def _name(place: Place) -> str:
    return f"{place.name}, {place.country}" if place.country else place.name
