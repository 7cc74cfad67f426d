// The relay as a process of its own, on a free port, with a server behind it that answers as each test says.
const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const { createServer } = require("node:http");
const path = require("node:path");
const { after, before, test } = require("node:test");

const FOLDER = path.dirname(__dirname);
const COMPLETION = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "gpt-4o-mini",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello!" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 8, total_tokens: 18 },
};

let asked;
let answer = { status: 200, headers: {}, body: "{}" };
let relay;
let relayUrl;

const server = createServer(async (req, res) => {
  const pieces = await req.toArray();
  if (req.method === "GET") return res.end('{"data": []}');
  asked = { url: req.url, key: req.headers.authorization, body: JSON.parse(Buffer.concat(pieces)) };
  return res.writeHead(answer.status, answer.headers).end(answer.body);
});

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  relay = spawn(process.execPath, ["plugin.js", "--port", "0"], { cwd: FOLDER, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(relay.stdout, "data");
  relayUrl = String(line).trim().replace("listening on ", "");
  const endpoint = `http://127.0.0.1:${server.address().port}/v1/`;
  const initialized = await post("/initialize", { api_key: "sk-test", endpoint });
  assert.deepEqual(await initialized.json(), {});
});

after(() => {
  relay.kill();
  server.close();
  server.closeAllConnections();
});

function post(where, body) {
  return fetch(relayUrl + where, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

function ask(more = {}) {
  const messages = [{ role: "user", content: "Hello!" }];
  return post("/chat/completions", { model: "gpt-4o-mini", messages, ...more });
}

test("it has a name and a type, and is healthy while the server answers", async () => {
  const metadata = await (await fetch(`${relayUrl}/metadata`)).json();
  assert.deepEqual([metadata.name, metadata.provider_type], ["Relay in Express", "relay-express"]);
  const health = await (await fetch(`${relayUrl}/health`)).json();
  assert.deepEqual([health.healthy, health.message], [true, "OK"]);
});

test("it passes on what it is asked, and tells what that cost", async () => {
  answer = { status: 200, headers: { "Content-Type": "application/json" }, body: JSON.stringify(COMPLETION) };
  const completion = await (await ask({ temperature: 0.7 })).json();
  assert.deepEqual([asked.url, asked.key], ["/v1/chat/completions", "Bearer sk-test"]);
  assert.equal(asked.body.temperature, 0.7);
  assert.deepEqual(completion.choices, COMPLETION.choices);
  assert.ok(Math.abs(completion.usage.cost_usd - (18 * 0.3) / 1e6) < 1e-12);
});

test("it streams", async () => {
  const events = 'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n';
  answer = { status: 200, headers: { "Content-Type": "text/event-stream" }, body: events };
  const streamed = await ask({ stream: true });
  assert.match(streamed.headers.get("Content-Type"), /^text\/event-stream/);
  assert.equal(await streamed.text(), events);
});

for (const [status, code, transient] of [
  [401, "authentication_failed", false],
  [404, "model_not_found", false],
  [429, "rate_limit_exceeded", true],
  [400, "invalid_request", false],
  [503, "provider_unavailable", true],
]) {
  test(`a ${status} of the server is ${code}`, async () => {
    answer = { status, headers: { "Retry-After": "7" }, body: '{"error": {"message": "No."}}' };
    const refused = await ask();
    const details = { status_code: status, retry_after: 7 };
    assert.equal(refused.status, status);
    assert.deepEqual(await refused.json(), { code, message: "No.", transient, details });
  });
}

test("a wrong config is refused whole", async () => {
  const refused = await post("/initialize", { endpoint: "nowhere", timeout: 0 });
  const error = await refused.json();
  assert.deepEqual([refused.status, error.code], [400, "invalid_request"]);
  for (const name of ["api_key", "endpoint", "timeout"]) assert.ok(error.message.includes(name));
});

test("what it does not know is refused with a code", async () => {
  const refused = await fetch(`${relayUrl}/elsewhere`);
  assert.deepEqual([refused.status, (await refused.json()).code], [404, "invalid_request"]);
});
