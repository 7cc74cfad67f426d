"""The API of open-meteo.com, which needs no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from jackfield.sdk import Http, ToolFailed, UpstreamError

PLACES = "https://geocoding-api.open-meteo.com/v1/search"
WEATHER = "https://api.open-meteo.com/v1/forecast"
NOW = ("temperature_2m", "apparent_temperature", "relative_humidity_2m", "wind_speed_10m", "weather_code")
DAILY = ("weather_code", "temperature_2m_min", "temperature_2m_max", "precipitation_probability_max")
Units = Literal["celsius", "fahrenheit"]

# Of the codes of the World Meteorological Organization those that the API knows.
SKIES: Mapping[int, str] = {
    0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "freezing fog",
    51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "freezing drizzle", 57: "heavy freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "freezing rain", 67: "heavy freezing rain",
    71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains", 80: "light showers", 81: "showers",
    82: "heavy showers", 85: "snow showers", 86: "heavy snow showers", 95: "thunderstorm",
    96: "thunderstorm with hail", 99: "thunderstorm with heavy hail",
}  # fmt: skip


class Place(msgspec.Struct, frozen=True):
    name: str
    latitude: float
    longitude: float
    country: str = ""


class Places(msgspec.Struct, frozen=True):
    results: tuple[Place, ...] = ()


class Now(msgspec.Struct, frozen=True):
    time: str
    temperature_2m: float | None
    apparent_temperature: float | None
    relative_humidity_2m: float | None
    wind_speed_10m: float | None
    weather_code: int | None


class Daily(msgspec.Struct, frozen=True):
    """The days are the columns."""

    time: tuple[str, ...]
    weather_code: tuple[int | None, ...]
    temperature_2m_min: tuple[float | None, ...]
    temperature_2m_max: tuple[float | None, ...]
    precipitation_probability_max: tuple[float | None, ...]


class CurrentWeather(msgspec.Struct, frozen=True):
    current: Now


class Forecast(msgspec.Struct, frozen=True):
    daily: Daily


T = TypeVar("T")


class OpenMeteo:
    """Whatever goes wrong is raised as `ToolFailed`, in words for the model."""

    def __init__(self, http: Http, language: str) -> None:
        self._http, self._language = http, language

    async def find(self, name: str) -> Place:
        found = await self._ask(PLACES, Places, name=name, count=1, language=self._language)
        if not found.results:
            raise ToolFailed(f"There is no place called {name!r}: give the name of a town, without its country")
        return found.results[0]

    async def read_now(self, place: Place, units: Units) -> Now:
        return (await self._ask(WEATHER, CurrentWeather, **_at(place, units), current=",".join(NOW))).current

    async def read_days(self, place: Place, days: int, units: Units) -> Daily:
        found = await self._ask(WEATHER, Forecast, **_at(place, units), daily=",".join(DAILY), forecast_days=days)
        return found.daily

    async def _ask(self, url: str, kind: type[T], **query: Any) -> T:
        try:
            answer = await self._http.get(f"{url}?{urlencode(query)}", headers={"accept": "application/json"})
        except UpstreamError as error:
            raise ToolFailed(f"The weather service cannot be reached: {error.message}") from error
        if answer.status != 200:
            raise ToolFailed(f"The weather service answered {answer.status}: {_reason(answer.body)}")
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            raise ToolFailed(f"The weather service answered with something else than weather: {error}") from error


def _at(place: Place, units: Units) -> dict[str, Any]:
    return {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "temperature_unit": units,
        "timezone": "auto",
    }


def _reason(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, Any])["reason"])[:200]
    except (msgspec.DecodeError, KeyError):
        return "it does not say why"


def tell_sky(code: int | None) -> str:
    return SKIES.get(code, "unknown") if code is not None else "unknown"
