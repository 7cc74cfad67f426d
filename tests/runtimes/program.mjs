// What `programs.Program` is in Python, and what only a process can do.

const kept = { aborted: 0, made: 0, memory: [] };
const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

export default {
  async start(params, rpc) {
    rpc.tell("started", params);
    return "ready";
  },
  echo: (params) => params,
  async fail(params) {
    throw new Error(params);
  },
  async ask({ method, params }, rpc) {
    await turn();
    const first = await rpc.call(method, params);
    await turn();
    return [first, await rpc.call(method, params)];
  },
  async ask_too_late(params, rpc) {
    turn(20).then(async () => rpc.tell("late", await rpc.call("who")));
  },
  async speak(params, rpc) {
    for (let number = 0; number < params; number++) rpc.tell("said", number);
    return "done";
  },
  async wait(params, rpc, { signal }) {
    rpc.tell("waiting");
    await new Promise((_, reject) => signal.addEventListener("abort", () => (kept.aborted++, reject(new Error("aborted")))));
  },
  aborted: () => kept.aborted,
  heard: (params, rpc) => rpc.tell("heard", params),
  async *count(params) {
    kept.made = 0;
    try {
      for (let number = 0; number < params; number++) {
        kept.made++;
        yield number;
      }
    } finally {
      kept.aborted++;
    }
  },
  made: () => kept.made,
  async *break_off() {
    yield 1;
    throw new Error("no more");
  },
  async *stall() {
    yield 1;
    await new Promise(() => {});
  },

  // Of processes only
  exit: (code) => process.exit(code),
  die: () => process.abort(),
  throw_later() {
    setTimeout(() => {
      throw new Error("nobody catches this");
    });
  },
  reject_later() {
    Promise.reject(new Error("nobody waits for this"));
  },
  print(text) {
    console.log(text);
    console.error(`error: ${text}`);
  },
  async flood(params, rpc) {
    const line = "x".repeat(1000);
    for (let n = 0; n < params; n++) console.log(line, n);
    return "flooded";
  },
  flood_host(params, rpc) {
    for (;;) rpc.tell("flood", params);
  },
  spin() {
    for (;;);
  },
  async burn(params) {
    for (;;) await new Promise(setImmediate);
  },
  hog_heap() {
    for (;;) kept.memory.push(new Array(100000).fill({}).map(() => ({ a: Math.random() })));
  },
  async hog_buffers() {
    // All that it is given: what it is not given it asks for again, until it is ended for what it has.
    for (;;) {
      try {
        kept.memory.push(Buffer.alloc(8 * 1024 * 1024, 1));
      } catch {
        // There is no more.
      }
      await turn();
    }
  },
  /** `default`, or else `answer`; what goes wrong as a text. */
  async importModule(path, rpc) {
    const module = await rpc.importModule(path);
    const found = module.default ?? module;
    return found?.answer ?? found;
  },
  run: async (code, rpc) => await new (Object.getPrototypeOf(async () => {}).constructor)("rpc", code)(rpc),
};
