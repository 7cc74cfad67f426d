// The API of open-meteo.com, which needs no key.

import type { PluginAPI } from "../../src/core/plugins";

export type Units = "celsius" | "fahrenheit";

export interface Place {
  name: string;
  latitude: number;
  longitude: number;
}

export interface Day {
  day: string;
  sky: string;
  lowest: number | null;
  highest: number | null;
  rainPercent: number | null;
}

type Http = PluginAPI["http"];

const PLACES = "https://geocoding-api.open-meteo.com/v1/search";
const WEATHER = "https://api.open-meteo.com/v1/forecast";
const DAILY = "weather_code,temperature_2m_min,temperature_2m_max,precipitation_probability_max";

// Of the codes of the World Meteorological Organization those that the API knows.
const SKIES: Record<number, string> = {
  0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "freezing fog",
  51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "freezing drizzle", 57: "heavy freezing drizzle",
  61: "light rain", 63: "rain", 65: "heavy rain", 66: "freezing rain", 67: "heavy freezing rain",
  71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains", 80: "light showers", 81: "showers",
  82: "heavy showers", 85: "snow showers", 86: "heavy snow showers", 95: "thunderstorm",
  96: "thunderstorm with hail", 99: "thunderstorm with heavy hail",
};

export async function findPlace(http: Http, location: string): Promise<Place> {
  const found = await ask(http, PLACES, { name: location, count: "1" });
  const place = found.results?.[0];
  if (!place) throw new Error(`There is no place called "${location}": give the name of a town, without its country`);
  const name = place.country ? `${place.name}, ${place.country}` : place.name;
  return { name, latitude: place.latitude, longitude: place.longitude };
}

export async function readNow(http: Http, place: Place, units: Units) {
  const found = await ask(http, WEATHER, {
    ...at(place, units),
    current: "temperature_2m,apparent_temperature,weather_code",
  });
  if (!found.current) throw new Error("The weather service answered with something else than weather");
  const { temperature_2m, apparent_temperature, weather_code } = found.current;
  return { sky: tellSky(weather_code), temperature: temperature_2m, feelsLike: apparent_temperature };
}

export async function readDays(http: Http, place: Place, days: number, units: Units): Promise<Day[]> {
  const found = await ask(http, WEATHER, { ...at(place, units), daily: DAILY, forecast_days: String(days) });
  if (!found.daily) throw new Error("The weather service answered with something else than weather");
  const columns = found.daily;
  return columns.time.map((day: string, index: number) => ({
    day,
    sky: tellSky(columns.weather_code[index]),
    lowest: columns.temperature_2m_min[index],
    highest: columns.temperature_2m_max[index],
    rainPercent: columns.precipitation_probability_max[index],
  }));
}

async function ask(http: Http, url: string, query: Record<string, string>) {
  const response = await http.get(`${url}?${new URLSearchParams(query)}`);
  const body = response.body as any;
  if (response.status !== 200) {
    throw new Error(`The weather service answered ${response.status}: ${body?.reason ?? "it does not say why"}`);
  }
  if (typeof body !== "object" || body === null) {
    throw new Error("The weather service answered with something else than weather");
  }
  return body;
}

function at(place: Place, units: Units): Record<string, string> {
  return {
    latitude: String(place.latitude),
    longitude: String(place.longitude),
    temperature_unit: units,
    timezone: "auto",
  };
}

function tellSky(code: number | null): string {
  return SKIES[code ?? -1] ?? "unknown";
}
