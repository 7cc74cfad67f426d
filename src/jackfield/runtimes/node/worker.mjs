// One plugin's process: speaks with the host on descriptor 3, and loads the program that stands between the protocol and
// the plugin's own code.
//
// A program is an ES module whose default export is an object. Each of its methods can be called by the host:
//
//     export default {
//       async start(params, rpc, call) { … },       // by the name that the host's side calls
//       async *items(params, rpc, call) { … },      // as a stream
//     };
//
// `params` and results are JSON, Dates and Uint8Arrays; see codec.mjs. What a method throws is the call's error. `call` is
// `{ id, signal }`; the signal is aborted when the host no longer waits. `rpc` is:
//
//     call(method, params, { signal })   a promise of what the host answers
//     tell(method, params)               waits for nothing; in order with calls and answers
//     current()                          the id of the host's call that this code came out of, or null
//     bind(f)                            f outside of any call
//     importModule(path)                 a module of the plugin, by its path in the folder
//     provideModule(pattern, url)        the module that stands for import specifiers which the pattern matches
//     folder, scratch, pluginId
//
// call and tell carry the id of the call that they came out of: the host knows on whose behalf that one runs. What comes out
// of no call, or of one that was answered, runs on nobody's behalf.

import dns from "node:dns";
import { Socket } from "node:net";
import { isAbsolute, join } from "node:path";
import { pathToFileURL } from "node:url";
import { installHooks, provideModule } from "./modules.mjs";
import { Peer, bind, current, report } from "./peer.mjs";

const HOST = 3;
const NO_NETWORK = "plugins have no network of their own: use `http` of the plugin's API";

let program = null;
let rpc = null;

async function load({ program: path, folder, scratch, pluginId }) {
  installHooks(folder);
  rpc = Object.freeze({
    call: (method, params, options) => peer.call(method, params, options),
    tell: (method, params) => peer.tell(method, params),
    current,
    bind,
    importModule: (file) => import(pathToFileURL(isAbsolute(file) ? file : join(folder, file)).href),
    provideModule,
    folder,
    scratch,
    pluginId,
  });
  const found = (await import(pathToFileURL(path).href)).default;
  if (typeof found !== "object" || found === null) throw new Error(`${path} does not export a program`);
  program = found;
}

function handle(method, params, call) {
  if (method === "$load" && program === null) return load(params);
  if (program === null || !Object.hasOwn(program, method) || typeof program[method] !== "function") {
    throw new Error(`no method ${method}`);
  }
  return program[method](params, rpc, call);
}

// A clear word where the sandbox would only say that something cannot be reached.
globalThis.fetch = async () => {
  throw new TypeError(`fetch: ${NO_NETWORK}`);
};
const unreachable = (host) => Object.assign(new Error(`${host}: ${NO_NETWORK}`), { code: "EACCES" });
dns.lookup = (host, options, callback = options) => process.nextTick(callback, unreachable(host));
dns.promises.lookup = async (host) => {
  throw unreachable(host);
};
for (const name of ["WebSocket", "EventSource"]) {
  globalThis[name] = class {
    constructor() {
      throw new TypeError(`${name}: ${NO_NETWORK}`);
    }
  };
}

process.on("unhandledRejection", report);
const socket = new Socket({ fd: HOST, readable: true, writable: true });
const peer = new Peer(socket, handle, () => process.exit(0));
