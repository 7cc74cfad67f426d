// A toolbox plugin's side of the host: loads its module, hands it the API of the guide, and runs what it registers.
// Calls that the guide has answer at once act from what the host said at the start; the host checks each of them again.

import { formatWithOptions } from "node:util";

import { getFullToolName } from "./plugins.mjs";

const SDK = new URL("./plugins.mjs", import.meta.url);
const FACTORIES = ["default", "createPlugin"];
const TOOL_NAME = /^[a-zA-Z0-9_-]+$/;
const LONGEST_NAME = 64;
// The host counts more exactly; what it would drop anyway need not stand before the answers.
const MOST_LINES = 2000;
const LINES_MS = 10_000;
const INSPECT = { depth: 4, maxArrayLength: 50, maxStringLength: 4000 };

let instance, api, main;
const tools = new Map();
const handlers = new Map();
const tasks = new Map();

export default {
  async start(hello, rpc) {
    rpc.provideModule(/(^|\/)src\/core\/plugins(\/|\.[jt]s$|$)/, SDK);
    rpc.provideModule(/^(\.\.\/)+core\/plugins(\/|\.[jt]s$|$)/, SDK);
    rpc.provideModule(/^@sentinel\/plugins(\/|$)/, SDK);
    api = makeApi(hello, rpc);
    main = hello.main;
    process.on("unhandledRejection", (error) => logError(rpc, "nobody handles that a promise was rejected:", error));
    try {
      instance = await makePlugin(await rpc.importModule(main), hello.manifest);
    } catch (error) {
      throw placed(error, rpc.folder);
    }
  },

  async hook({ name }, rpc) {
    try {
      await instance[name]?.(...(name === "onLoad" ? [api] : []));
    } catch (error) {
      throw placed(error, rpc.folder);
    }
  },

  async tool({ name, input, context }, rpc, call) {
    const tool = tools.get(name);
    if (tool === undefined) throw new Error(`Tool not found: ${name} in plugin ${context.pluginId}`);
    return await tool.handler(input, { ...context, signal: call.signal });
  },

  async event(event, rpc) {
    const told = [...(handlers.get(event.type) ?? [])];
    const answers = await Promise.all(told.map((handler) => tell(handler, event, rpc)));
    const refusal = answers.find((answer) => typeof answer?.refuse === "string");
    return refusal === undefined ? null : { refuse: refusal.refuse };
  },

  async task({ name }) {
    await tasks.get(name)?.();
  },
};

/** What one handler throws harms no other. */
async function tell(handler, event, rpc) {
  try {
    return await handler(event);
  } catch (error) {
    logError(rpc, `a handler of ${event.type} failed:`, error);
    return undefined;
  }
}

function logError(rpc, ...said) {
  rpc.tell("log", { level: "error", text: within(format(said), rpc.folder) });
}

/** The error with the place in the plugin's code that it came out of, and paths as they are within its folder. */
function placed(error, folder) {
  const stack = String(error?.stack ?? "");
  const file = relativeTo(folder, main);
  const from = stack.indexOf(`${folder}/`);
  const at = from < 0 ? null : /^[^\s:()]+:\d+/.exec(stack.slice(from + folder.length + 1));
  // What cannot be compiled is told of by its line alone.
  const line = /^[^\n]*:(\d+)\n/.exec(stack);
  const place = at?.[0] ?? (error?.name === "SyntaxError" && line !== null ? `${file}:${line[1]}` : file);
  const said = within(String(error?.message ?? error), folder);
  const name = error?.name === undefined || error.name === "Error" ? "" : `${error.name}: `;
  return new Error(said.includes(place) ? `${name}${said}` : `${name}${said} (${place})`);
}

function within(text, folder) {
  return text.replaceAll(`file://${folder}/`, "").replaceAll(`${folder}/`, "");
}

function relativeTo(folder, path) {
  return path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path;
}

/** The guide's forms: a default function, `createPlugin`, or the object `plugin`; of CommonJS also what these are in. */
async function makePlugin(module, manifest) {
  const places = [module, module.default, module.default?.default].filter((one) => one !== null && one !== undefined);
  for (const name of FACTORIES) {
    const factory = places.map((place) => place[name]).find((found) => typeof found === "function");
    if (factory !== undefined) return checkPlugin(await makeBy(factory, structuredClone(manifest)), manifest);
  }
  const objects = places.flatMap((place) => [place.plugin, place]);
  const plugin = objects.find((found) => typeof found?.onLoad === "function");
  if (plugin === undefined) throw new Error(`Plugin ${manifest.id} does not export a valid factory or plugin object`);
  return plugin;
}

function makeBy(factory, manifest) {
  return /^class\b/.test(Function.prototype.toString.call(factory)) ? new factory(manifest) : factory(manifest);
}

function checkPlugin(made, manifest) {
  if (typeof made?.onLoad !== "function") {
    throw new Error(`Plugin ${manifest.id}: the factory made ${made === null ? "null" : typeof made} without onLoad`);
  }
  return made;
}

function makeApi({ manifest, permissions, config, development }, rpc) {
  const id = manifest.id;
  const granted = new Set(permissions);
  const need = (permission) => {
    if (!granted.has(permission)) throw new Error(`Plugin ${id} does not have '${permission}' permission`);
  };
  return deepFreeze({
    manifest: structuredClone(manifest),
    pluginId: id,
    ...makeTools(id, need, rpc),
    events: makeEvents(need, rpc),
    storage: makeStorage(rpc),
    http: makeHttp(rpc),
    scheduler: makeScheduler(rpc),
    memory: {
      search: async (query, userId, limit) => rpc.call("memory.search", [query, userId, limit]),
      create: async (userId, content, type, importance) =>
        rpc.call("memory.create", [userId, content, type, importance]),
    },
    users: {
      get: async (userId) => rpc.call("users.get", [userId]),
      getPreferences: async (userId) => rpc.call("users.getPreferences", [userId]),
    },
    config: {
      get: (key, fallback) => (Object.hasOwn(config, key) ? structuredClone(config[key]) : fallback),
    },
    logger: makeLogger(development, rpc),
  });
}

function makeTools(id, need, rpc) {
  return {
    registerTool(tool) {
      need("tools:register");
      const { name, description, inputSchema } = checkTool(id, tool);
      tools.set(name, tool);
      rpc.tell("registerTool", { name, description, inputSchema });
    },
    unregisterTool(name) {
      need("tools:register");
      if (tools.delete(name)) rpc.tell("unregisterTool", { name });
    },
    executeTool: async (name, input) => rpc.call("executeTool", [name, input ?? {}]),
  };
}

function checkTool(id, tool) {
  const name = tool?.name;
  if (typeof name !== "string" || !TOOL_NAME.test(name)) {
    throw new TypeError(`a tool's name is letters, digits, _ and -, not ${format([name])}`);
  }
  if (getFullToolName(id, name).length > LONGEST_NAME) {
    throw new TypeError(`the tool's name ${getFullToolName(id, name)} has more than ${LONGEST_NAME} characters`);
  }
  if (typeof tool.handler !== "function") throw new TypeError(`Tool ${name}: the handler must be a function`);
  if (tools.has(name)) throw new Error(`Tool ${name} is already registered by plugin ${id}`);
  return tool;
}

function makeEvents(need, rpc) {
  return {
    on(type, handler) {
      need("events:subscribe");
      if (typeof handler !== "function") throw new TypeError(`events.on ${type}: the handler must be a function`);
      const known = handlers.get(type);
      if (known !== undefined) {
        known.add(handler);
        return;
      }
      handlers.set(type, new Set([handler]));
      rpc.tell("subscribe", { type });
    },
    off(type, handler) {
      const known = handlers.get(type);
      if (!known?.delete(handler) || known.size > 0) return;
      handlers.delete(type);
      rpc.tell("unsubscribe", { type });
    },
    emit(type, data) {
      need("events:emit");
      const given = data ?? {};
      if (typeof given !== "object" || Array.isArray(given)) throw new TypeError(`events.emit ${type}: data is an object`);
      rpc.tell("emit", { type, data: given });
    },
  };
}

function makeStorage(rpc) {
  return {
    get: async (key, options) => rpc.call("storage.get", [key, options]),
    async set(key, value, options) {
      if (value === undefined) throw new TypeError(`storage.set ${key}: undefined is no value; use storage.delete`);
      await rpc.call("storage.set", [key, value, options]);
    },
    async delete(key, options) {
      await rpc.call("storage.delete", [key, options]);
    },
    list: async (prefix, options) => rpc.call("storage.list", [prefix, options]),
    async clear(options) {
      await rpc.call("storage.clear", [options]);
    },
  };
}

function makeHttp(rpc) {
  const request = async ({ url, method, headers, body, timeout } = {}) => {
    const plain = typeof headers?.entries === "function" ? Object.fromEntries(headers.entries()) : headers;
    return rpc.call("http.request", [{ url: String(url), method, headers: plain, body, timeout }]);
  };
  return {
    request,
    get: async (url, headers) => request({ url, headers }),
    post: async (url, body, headers) => request({ url, method: "POST", body, headers }),
  };
}

function makeScheduler(rpc) {
  const names = new Map();
  return {
    async schedule(name, when, handler) {
      if (typeof handler !== "function") throw new TypeError(`scheduler.schedule ${name}: the handler must be a function`);
      const former = tasks.get(name);
      // It may run before the answer is here.
      tasks.set(name, handler);
      try {
        const id = await rpc.call("scheduler.schedule", [name, when]);
        names.set(id, name);
        return id;
      } catch (error) {
        if (former === undefined) tasks.delete(name);
        else tasks.set(name, former);
        throw error;
      }
    },
    async cancel(taskId) {
      const cancelled = await rpc.call("scheduler.cancel", [taskId]);
      if (cancelled) tasks.delete(names.get(taskId));
      return cancelled;
    },
    list: async () => rpc.call("scheduler.list", []),
  };
}

function makeLogger(development, rpc) {
  let begun = 0;
  let lines = 0;
  const tell = (level, said) => rpc.tell("log", { level, text: within(format(said), rpc.folder) });
  const at = (level) => (...said) => {
    if (performance.now() - begun > LINES_MS) {
      if (lines > MOST_LINES) tell("warn", [`${lines - MOST_LINES} lines were dropped: more than ${MOST_LINES} in 10 s`]);
      begun = performance.now();
      lines = 0;
    }
    if (++lines <= MOST_LINES) tell(level, said);
  };
  return { debug: development ? at("debug") : () => {}, info: at("info"), warn: at("warn"), error: at("error") };
}

/** As the console does; what cannot be shown is said to be so. */
function format(said) {
  try {
    return formatWithOptions(INSPECT, ...said);
  } catch (error) {
    return `(cannot be shown: ${error?.message ?? error})`;
  }
}

function deepFreeze(value) {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
