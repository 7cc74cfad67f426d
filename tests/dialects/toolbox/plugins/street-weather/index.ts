import type {
  Plugin,
  PluginAPI,
  PluginManifest,
  PluginToolContext,
  PluginToolResult,
} from "../../src/core/plugins";

interface Weather {
  location: string;
  temperature: number;
  units: Units;
  conditions: string;
  timestamp: Date;
}

type Units = "celsius" | "fahrenheit";

const FRESH_MS = 5 * 60 * 1000;
const SERVICE = "https://weather.example.com";

export default function createPlugin(manifest: PluginManifest): Plugin {
  let api: PluginAPI;
  let mentions = 0;

  async function fromCache(key: string): Promise<Weather | null> {
    const cached = await api.storage.get<Weather>(key);
    if (!cached) return null;
    return Date.now() - cached.timestamp.getTime() < FRESH_MS ? cached : null;
  }

  async function getWeather(location: string, units: Units): Promise<Weather> {
    const key = `weather_${location.toLowerCase()}_${units}`;
    const cached = await fromCache(key);
    if (cached) {
      api.logger.debug(`Served ${location} from the cache`);
      return cached;
    }
    const response = await api.http.get(`${SERVICE}/now?place=${encodeURIComponent(location)}`);
    if (response.status !== 200) throw new Error(`the weather service answered ${response.status}`);
    const found = response.body as { celsius: number; sky: string };
    const temperature = units === "celsius" ? found.celsius : found.celsius * 1.8 + 32;
    const weather: Weather = { location, temperature, units, conditions: found.sky, timestamp: new Date() };
    await api.storage.set(key, weather);
    return weather;
  }

  function failure(error: unknown): PluginToolResult {
    return { success: false, result: null, error: error instanceof Error ? error.message : String(error) };
  }

  return {
    async onLoad(pluginApi: PluginAPI) {
      api = pluginApi;

      api.registerTool({
        name: "get_weather",
        description: "Get current weather information for a location.",
        inputSchema: {
          type: "object" as const,
          properties: {
            location: { type: "string", description: "The city or place" },
            units: { type: "string", enum: ["celsius", "fahrenheit"], description: "Default: celsius" },
          },
          required: ["location"],
        },
        handler: async (input: Record<string, unknown>, context: PluginToolContext): Promise<PluginToolResult> => {
          try {
            const weather = await getWeather(input.location as string, (input.units as Units) ?? "celsius");
            return {
              success: true,
              result: { ...weather, timestamp: weather.timestamp.toISOString(), asked: context.userId, mentions },
            };
          } catch (error) {
            return failure(error);
          }
        },
      });

      api.registerTool({
        name: "weather_forecast",
        description: "Get the weather of the next days for a location.",
        inputSchema: {
          type: "object" as const,
          properties: {
            location: { type: "string" },
            days: { type: "integer", minimum: 1, maximum: 7 },
          },
          required: ["location"],
        },
        handler: async (input) => {
          try {
            const today = await getWeather(input.location as string, "celsius");
            const days = Array.from({ length: (input.days as number) ?? 3 }, (_, day) => ({
              day: day + 1,
              temperature: today.temperature + day,
            }));
            return { success: true, result: { location: today.location, days } };
          } catch (error) {
            return failure(error);
          }
        },
      });

      api.events.on("message:received", async (event) => {
        const message = event.data as { content?: string };
        if (message.content?.toLowerCase().includes("weather")) mentions += 1;
      });

      api.logger.info(`${manifest.name} loaded`);
    },

    async onUnload() {
      api.logger.info(`${manifest.name} unloading`);
    },

    async onEnable() {
      api.logger.info(`${manifest.name} enabled`);
    },

    async onDisable() {
      api.logger.info(`${manifest.name} disabled`);
    },
  };
}
