import type {
  Plugin,
  PluginAPI,
  PluginManifest,
  PluginToolResult,
} from "../../src/core/plugins";

import { findPlace, readDays, readNow, type Day, type Units } from "./open-meteo.ts";

interface Cached<T> {
  told: T;
  at: Date;
}

interface Weather {
  place: string;
  sky: string;
  temperature: number | null;
  feelsLike: number | null;
  units: Units;
}

const FRESH_MS = 5 * 60 * 1000;
const ABOUT_WEATHER = /\b(weather|forecast|temperature|rain|snow|sunny)\b/i;
// Counting takes one of the plugin's 100 operations a minute, which the tools need: it is done for several together.
const SAVED_EVERY_MS = 10_000;

const LOCATION = { type: "string", minLength: 1, maxLength: 100, description: "A town, such as Bergen" };
const UNITS = { type: "string", enum: ["celsius", "fahrenheit"], description: "Default: celsius" };

export default function createPlugin(manifest: PluginManifest): Plugin {
  let api: PluginAPI;
  let uncounted = 0;
  let countedAt = Date.now();

  /** What was told within five minutes, or what `ask` finds out now. Dates in storage come back as dates. */
  async function remember<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const cached = await api.storage.get<Cached<T>>(key);
    if (cached && Date.now() - cached.at.getTime() < FRESH_MS) {
      api.logger.debug("served from the cache:", key);
      return cached.told;
    }
    const told = await ask();
    await api.storage.set(key, { told, at: new Date() });
    return told;
  }

  async function getWeather(location: string, units: Units): Promise<Weather> {
    return remember(`now_${units}_${location.toLowerCase()}`, async () => {
      const place = await findPlace(api.http, location);
      return { place: place.name, units, ...(await readNow(api.http, place, units)) };
    });
  }

  async function getForecast(location: string, days: number, units: Units): Promise<{ place: string; days: Day[] }> {
    return remember(`days_${units}_${days}_${location.toLowerCase()}`, async () => {
      const place = await findPlace(api.http, location);
      return { place: place.name, days: await readDays(api.http, place, days, units) };
    });
  }

  /** A tool answers with what went wrong; it does not throw. */
  async function answer(work: () => Promise<unknown>): Promise<PluginToolResult> {
    try {
      return { success: true, result: await work() };
    } catch (error) {
      return { success: false, result: null, error: error instanceof Error ? error.message : String(error) };
    }
  }

  async function saveCount(): Promise<void> {
    const counted = uncounted;
    uncounted = 0;
    countedAt = Date.now();
    if (counted === 0) return;
    const former = (await api.storage.get<number>("questions")) ?? 0;
    await api.storage.set("questions", former + counted);
  }

  return {
    async onLoad(pluginApi: PluginAPI) {
      api = pluginApi;

      api.registerTool({
        name: "get_weather",
        description: "Tells the current weather of a place.",
        inputSchema: {
          type: "object" as const,
          properties: { location: LOCATION, units: UNITS },
          required: ["location"],
        },
        handler: (input) =>
          answer(() => getWeather(input.location as string, (input.units as Units | undefined) ?? "celsius")),
      });

      api.registerTool({
        name: "weather_forecast",
        description: "Tells the weather of a place for the next days.",
        inputSchema: {
          type: "object" as const,
          properties: { location: LOCATION, units: UNITS, days: { type: "integer", minimum: 1, maximum: 7 } },
          required: ["location"],
        },
        handler: (input) =>
          answer(() =>
            getForecast(
              input.location as string,
              (input.days as number | undefined) ?? 3,
              (input.units as Units | undefined) ?? "celsius",
            ),
          ),
      });

      api.events.on("message:received", async (event) => {
        const message = event.data as { content?: string };
        if (!ABOUT_WEATHER.test(message.content ?? "")) return;
        uncounted += 1;
        if (Date.now() - countedAt >= SAVED_EVERY_MS) await saveCount();
      });

      api.logger.info(`${manifest.name} loaded`);
    },

    async onEnable() {
      api.logger.info(`${manifest.name} enabled`);
    },

    async onDisable() {
      await saveCount();
      api.logger.info(`${manifest.name} disabled`);
    },

    async onUnload() {
      api.logger.info(`${manifest.name} unloading`);
    },
  };
}
