import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { mock, test } from "node:test";

import createPlugin from "../index.ts";

const manifest = JSON.parse(await readFile(new URL("../manifest.json", import.meta.url), "utf8"));
const BERGEN = { results: [{ name: "Bergen", latitude: 60.39, longitude: 5.32, country: "Norway" }] };
const NOW = { current: { temperature_2m: 4.2, apparent_temperature: 0.5, weather_code: 63 } };
const DAILY = {
  daily: {
    time: ["2026-03-01", "2026-03-02"],
    weather_code: [63, 0],
    temperature_2m_min: [2.1, 1],
    temperature_2m_max: [5, 7.5],
    precipitation_probability_max: [100, null],
  },
};

type Answer = { status: number; body: unknown };

function openMeteo(url: URL): Answer {
  if (url.hostname.startsWith("geocoding")) {
    return { status: 200, body: url.searchParams.get("name") === "Bergen" ? BERGEN : {} };
  }
  return { status: 200, body: url.searchParams.has("current") ? NOW : DAILY };
}

/** What the plugin uses of a host. As there, stored values are copies, and dates come back as dates. */
function fakeApi(service: (url: URL) => Answer = openMeteo) {
  const tools = new Map<string, any>();
  const stored = new Map<string, unknown>();
  const handlers = new Map<string, any>();
  const asked: string[] = [];
  const said: string[] = [];
  const api = {
    manifest,
    pluginId: manifest.id,
    logger: { debug() {}, warn() {}, error() {}, info: (message: string) => said.push(message) },
    registerTool: (tool: any) => tools.set(tool.name, tool),
    events: { on: (type: string, handler: any) => handlers.set(type, handler) },
    storage: {
      get: async (key: string) => structuredClone(stored.get(key)) ?? null,
      set: async (key: string, value: unknown) => void stored.set(key, structuredClone(value)),
    },
    http: {
      async get(url: string) {
        asked.push(url);
        return service(new URL(url));
      },
    },
  };
  return { api, tools, stored, handlers, asked, said };
}

async function load(service?: (url: URL) => Answer) {
  const host = fakeApi(service);
  const plugin = createPlugin(manifest);
  await plugin.onLoad(host.api as any);
  const call = (name: string, input: object) => host.tools.get(name).handler(input, {});
  return { ...host, plugin, call };
}

const rain = { place: "Bergen, Norway", units: "celsius", sky: "rain", temperature: 4.2, feelsLike: 0.5 };

test("the current weather is told, the second time from the cache", async () => {
  const { call, asked } = await load();
  assert.deepEqual(await call("get_weather", { location: "Bergen" }), { success: true, result: rain });
  assert.deepEqual(await call("get_weather", { location: "bergen" }), { success: true, result: rain });
  assert.equal(asked.length, 2);
});

test("after five minutes the service is asked again", async () => {
  mock.timers.enable({ apis: ["Date"], now: 0 });
  const { call, asked } = await load();
  await call("get_weather", { location: "Bergen" });
  mock.timers.setTime(5 * 60 * 1000);
  await call("get_weather", { location: "Bergen" });
  mock.timers.reset();
  assert.equal(asked.length, 4);
});

test("the next days are told", async () => {
  const { call, asked } = await load();
  const { result } = await call("weather_forecast", { location: "Bergen", days: 2, units: "fahrenheit" });
  assert.deepEqual(result.days, [
    { day: "2026-03-01", sky: "rain", lowest: 2.1, highest: 5, rainPercent: 100 },
    { day: "2026-03-02", sky: "clear", lowest: 1, highest: 7.5, rainPercent: null },
  ]);
  assert.match(asked[1], /temperature_unit=fahrenheit.*forecast_days=2/);
});

test("what goes wrong is a result that says so", async () => {
  const failures: [Answer, RegExp][] = [
    [{ status: 200, body: {} }, /There is no place called "Bergen"/],
    [{ status: 400, body: { error: true, reason: "no such language" } }, /answered 400: no such language/],
    [{ status: 503, body: "" }, /answered 503: it does not say why/],
    [{ status: 200, body: "<html>" }, /something else than weather/],
  ];
  for (const [answer, told] of failures) {
    const { call } = await load(() => answer);
    const { success, result, error } = await call("get_weather", { location: "Bergen" });
    assert.deepEqual([success, result], [false, null]);
    assert.match(error, told);
  }
});

test("questions about the weather are counted, and saved when it rests", async () => {
  const { handlers, stored, plugin } = await load();
  for (const content of ["What is the WEATHER like?", "Will it rain?", "A train, please", undefined]) {
    await handlers.get("message:received")({ type: "message:received", data: { content } });
  }
  await plugin.onDisable!();
  assert.equal(stored.get("questions"), 2);
});

test("it says when it comes and goes", async () => {
  const { plugin, said } = await load();
  await plugin.onEnable!();
  await plugin.onDisable!();
  await plugin.onUnload!();
  const name = "Weather in TypeScript";
  assert.deepEqual(said, [`${name} loaded`, `${name} enabled`, `${name} disabled`, `${name} unloading`]);
});
