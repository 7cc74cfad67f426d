// A provider over HTTP in Express: it relays to any server with the OpenAI API. `node plugin.js --port 9313`
const { once } = require("node:events");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { parseArgs } = require("node:util");
const express = require("express");
const { metadata, models, prices } = require("./metadata.js");

const HEALTH_MS = 5000;
const TRANSIENT = ["rate_limit_exceeded", "provider_unavailable", "timeout"];
// What each status of the server is called here.
const CODES = {
  401: "authentication_failed",
  402: "quota_exceeded",
  403: "authentication_failed",
  404: "model_not_found",
  408: "timeout",
  429: "rate_limit_exceeded",
  500: "provider_unavailable",
  502: "provider_unavailable",
  503: "provider_unavailable",
  504: "timeout",
};

let config = null;

class Refused extends Error {
  constructor(status, code, message, details = {}) {
    super(message);
    this.status = status;
    this.body = { code, message, transient: TRANSIENT.includes(code), details };
  }
}

const app = express();
app.use(express.json({ limit: "16mb", type: () => true }));

app.get("/metadata", (req, res) => res.json(metadata));

app.post("/initialize", (req, res) => {
  const defaults = metadata.config_schema.filter((field) => "default" in field);
  const given = Object.fromEntries([
    ...defaults.map((field) => [field.name, field.default]),
    ...Object.entries(req.body ?? {}),
  ]);
  const problems = [...findProblems(given)];
  if (problems.length > 0) throw new Refused(400, "invalid_request", problems.join("; "));
  config = { ...given, endpoint: given.endpoint.replace(/\/+$/, "") };
  res.json({});
});

function* findProblems({ api_key: key, endpoint, timeout }) {
  if (typeof key !== "string" || key === "") yield "api_key is required";
  if (!/^https?:\/\//.test(endpoint)) yield "endpoint must be an address such as https://api.openai.com/v1";
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > 300) {
    yield "timeout must be a whole number from 1 to 300";
  }
}

app.get("/health", async (req, res) => {
  const started = performance.now();
  const message = config === null ? "not initialized" : await askServer();
  res.json({
    healthy: message === "OK",
    message,
    latency_ms: Math.round(performance.now() - started),
    timestamp: new Date().toISOString(),
  });
});

async function askServer() {
  try {
    const answer = await fetch(`${config.endpoint}/models`, {
      headers: credential(),
      signal: AbortSignal.timeout(HEALTH_MS),
    });
    await answer.body?.cancel();
    return answer.ok ? "OK" : `the server answered ${answer.status}`;
  } catch (error) {
    return `the server cannot be reached: ${error.cause?.code ?? error.name}`;
  }
}

app.get("/models", (req, res) => res.json(models));

app.post("/chat/completions", async (req, res) => {
  if (config === null) throw new Refused(503, "provider_unavailable", "not initialized: POST its config to /initialize");
  if (!req.body?.model || !Array.isArray(req.body.messages)) {
    throw new Refused(400, "invalid_request", "model and messages are required");
  }
  // When whoever asked has left, the server is left as well.
  const left = new AbortController();
  res.on("close", () => left.abort());
  const answer = await post(req.body, AbortSignal.any([left.signal, AbortSignal.timeout(config.timeout * 1000)]));
  if (!answer.ok) throw await readRefusal(answer);
  if (req.body.stream) {
    res.type("text/event-stream");
    await pipeline(Readable.fromWeb(answer.body), res);
    return;
  }
  const completion = await answer.json();
  const price = prices[req.body.model];
  if (price !== undefined && completion.usage) {
    completion.usage.cost_usd = (completion.usage.total_tokens * price) / 1e6;
  }
  res.json(completion);
});

async function post(body, signal) {
  try {
    return await fetch(`${config.endpoint}/chat/completions`, {
      method: "POST",
      headers: { ...credential(), "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "TimeoutError") throw new Refused(504, "timeout", "the server did not answer in time");
    const why = error.cause?.code ?? error.name;
    throw new Refused(503, "provider_unavailable", `the server cannot be reached: ${why}`);
  }
}

// What the server's refusal is called here; its own words are kept.
async function readRefusal(answer) {
  const told = await answer.json().catch(() => null);
  const message = told?.error?.message ?? `the server answered ${answer.status}`;
  const details = { status_code: answer.status };
  const wait = Number(answer.headers.get("Retry-After") ?? NaN);
  if (Number.isInteger(wait)) details.retry_after = wait;
  return new Refused(answer.status, CODES[answer.status] ?? "invalid_request", String(message), details);
}

app.post("/cleanup", (req, res) => {
  config = null;
  res.json({});
});

app.use((req, res) => {
  throw new Refused(404, "invalid_request", `there is no ${req.method} ${req.path}`);
});

// Four parameters make it the one that Express calls with errors.
app.use((error, req, res, next) => {
  if (res.headersSent) return res.destroy();
  if (error instanceof Refused) return res.status(error.status).json(error.body);
  if (error.type?.startsWith("entity.")) {
    return res.status(error.status).json({ code: "invalid_request", message: error.message, transient: false });
  }
  console.error(error);
  return res.status(500).json({ code: "internal_error", message: error.name, transient: false });
});

function credential() {
  return { Authorization: `Bearer ${config.api_key}` };
}

async function listen() {
  const options = { host: { type: "string", default: "127.0.0.1" }, port: { type: "string" } };
  const { values } = parseArgs({ options });
  const server = app.listen(Number(values.port ?? process.env.PORT ?? 9313), values.host);
  await once(server, "listening");
  console.log(`listening on http://${values.host}:${server.address().port}`);
  process.on("SIGTERM", () => server.close(() => process.exit(0)));
}

listen();
