"""The code of the toolbox guide, word for word: whole plugins with their manifests, and its pieces."""

from __future__ import annotations

INDEX = """\
import type { Plugin, PluginAPI, PluginManifest } from "../../src/core/plugins";

export default function createPlugin(manifest: PluginManifest): Plugin {
  let api: PluginAPI;

  return {
    async onLoad(pluginApi: PluginAPI) {
      api = pluginApi;
      api.logger.info("Plugin loaded");

      // Register tools, subscribe to events, etc.
    },

    async onUnload() {
      api.logger.info("Plugin unloaded");
      // Cleanup resources
    },

    async onEnable() {
      api.logger.info("Plugin enabled");
    },

    async onDisable() {
      api.logger.info("Plugin disabled");
    },
  };
}
"""
STEP_3 = """\
import type {
  Plugin,
  PluginAPI,
  PluginManifest,
  PluginToolContext,
  PluginToolResult,
} from "../../src/core/plugins";

export default function createPlugin(manifest: PluginManifest): Plugin {
  let api: PluginAPI;

  return {
    async onLoad(pluginApi: PluginAPI) {
      api = pluginApi;

      // Register a tool
      api.registerTool({
        name: "my_tool",
        description: "Does something useful. Describe clearly what it does so Claude knows when to use it.",
        inputSchema: {
          type: "object" as const,
          properties: {
            query: {
              type: "string",
              description: "The input query",
            },
          },
          required: ["query"],
        },
        handler: async (
          input: Record<string, unknown>,
          context: PluginToolContext
        ): Promise<PluginToolResult> => {
          const query = input.query as string;

          try {
            // Your tool logic here
            const result = `Processed: ${query}`;

            // Optionally use storage
            await api.storage.set("last_query", query);

            return {
              success: true,
              result: { output: result },
            };
          } catch (error) {
            return {
              success: false,
              result: null,
              error: error instanceof Error ? error.message : String(error),
            };
          }
        },
      });

      api.logger.info("My plugin loaded successfully");
    },

    async onUnload() {
      api.logger.info("My plugin unloaded");
    },
  };
}
"""
WEATHER = """\
import type { Plugin, PluginAPI, PluginManifest } from "../../src/core/plugins";

export default function createPlugin(manifest: PluginManifest): Plugin {
  let api: PluginAPI;

  return {
    async onLoad(pluginApi: PluginAPI) {
      api = pluginApi;

      api.registerTool({
        name: "get_weather",
        description: "Get current weather information for a location.",
        inputSchema: {
          type: "object" as const,
          properties: {
            location: {
              type: "string",
              description: "The city or location to get weather for",
            },
            units: {
              type: "string",
              enum: ["celsius", "fahrenheit"],
              description: "Temperature units (default: celsius)",
            },
          },
          required: ["location"],
        },
        handler: async (input, context) => {
          const location = input.location as string;

          // Check cache
          const cached = await api.storage.get(`weather_${location}`);
          if (cached) return { success: true, result: cached };

          // Fetch and cache (your API call here)
          const weather = { location, temperature: "22C", conditions: "Sunny" };
          await api.storage.set(`weather_${location}`, weather);

          return { success: true, result: weather };
        },
      });

      api.events.on("message:received", async (event) => {
        const message = event.data as { content?: string };
        if (message.content?.toLowerCase().includes("weather")) {
          api.logger.debug("Detected weather-related message");
        }
      });

      api.logger.info("Weather plugin loaded");
    },

    async onUnload() {
      api.logger.info("Weather plugin unloading");
    },
  };
}
"""
MANIFEST = """\
{
  "id": "my-plugin",
  "name": "My Plugin",
  "version": "1.0.0",
  "description": "A description of what the plugin does",
  "author": "Your Name",
  "main": "index.ts",
  "permissions": [
    "tools:register",
    "storage:read",
    "storage:write",
    "http:outbound",
    "events:subscribe"
  ],
  "dependencies": []
}
"""
STEP_2 = """\
{
  "id": "my-plugin",
  "name": "My Custom Plugin",
  "version": "1.0.0",
  "description": "Adds custom tools to OpenSentinel",
  "author": "Your Name",
  "main": "index.ts",
  "permissions": [
    "tools:register",
    "storage:read",
    "storage:write"
  ]
}
"""
WEATHER_MANIFEST = """\
{
  "id": "example-weather",
  "name": "Example Weather Plugin",
  "version": "1.0.0",
  "description": "An example plugin that provides weather information tools",
  "author": "OpenSentinel Team",
  "main": "index.ts",
  "permissions": [
    "tools:register",
    "storage:read",
    "storage:write",
    "http:outbound",
    "events:subscribe"
  ],
  "dependencies": []
}
"""
PIECES = [
    """\
api.registerTool({
  name: "tool_name",
  description: "What the tool does",
  inputSchema: {
    type: "object" as const,
    properties: {
      param: { type: "string", description: "Parameter description" },
    },
    required: ["param"],
  },
  handler: async (input, context) => {
    return { success: true, result: "output" };
  },
});
""",
    """\
api.unregisterTool("tool_name");
""",
    """\
const result = await api.executeTool("web_search", { query: "opensentinel" });
""",
    """\
api.events.on("message:received", async (event) => {
  const message = event.data as { content?: string };
  api.logger.debug(`Message received: ${message.content}`);
});
""",
    """\
api.events.off("message:received", myHandler);
""",
    """\
api.events.emit("plugin:loaded", { pluginId: api.pluginId });
""",
    """\
const value = await api.storage.get<string>("my_key");
const userValue = await api.storage.get<number>("counter", { scope: "user" });
""",
    """\
await api.storage.set("my_key", { data: "value" });
await api.storage.set("counter", 42, { scope: "user", namespace: "stats" });
""",
    """\
await api.storage.delete("my_key");
""",
    """\
const keys = await api.storage.list("cache_");
""",
    """\
await api.storage.clear();
""",
    """\
// Generic request
const response = await api.http.request({
  url: "https://api.example.com/data",
  method: "POST",
  headers: { "Authorization": "Bearer token" },
  body: { key: "value" },
  timeout: 5000,
});

// Convenience methods
const getResponse = await api.http.get("https://api.example.com/data");
const postResponse = await api.http.post("https://api.example.com/data", { key: "value" });
""",
    """\
// Delay-based (every 60 seconds)
const taskId = await api.scheduler.schedule("refresh_data", 60000, async () => {
  api.logger.info("Refreshing data...");
});

// Cron-based
const cronTaskId = await api.scheduler.schedule("daily_report", "0 9 * * *", async () => {
  api.logger.info("Generating daily report...");
});
""",
    """\
await api.scheduler.cancel(taskId);
""",
    """\
const tasks = await api.scheduler.list();
""",
    """\
const results = await api.memory.search("favorite restaurants", userId, 5);
for (const memory of results) {
  api.logger.info(`[${memory.type}] ${memory.content} (similarity: ${memory.similarity})`);
}
""",
    """\
const memoryId = await api.memory.create(
  userId,
  "User prefers dark mode interfaces",
  "semantic",
  7 // importance: 1-10
);
""",
    """\
const user = await api.users.get(userId);
const prefs = await api.users.getPreferences(userId);
""",
    """\
const apiKey = api.config.get<string>("api_key", "default_value");
""",
    """\
api.logger.debug("Debug message");  // Only in development
api.logger.info("Info message");
api.logger.warn("Warning message");
api.logger.error("Error message");
""",
]
