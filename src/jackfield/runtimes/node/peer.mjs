// The plugin's side of the conversation of calls; the messages are described in rpc/messages.py.

import { AsyncLocalStorage } from "node:async_hooks";
import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { pack, unpack } from "./codec.mjs";

const [CALL, ANSWER, ERROR, CANCEL, TELL, STREAM, ITEM, END, CREDIT, PING, PONG] = Array(11).keys();
const LARGEST = 16 * 1024 * 1024;
const MOST_CALLS = 1000;
const TELL_LIMIT = 4 * 1024 * 1024;
const HEAD = 4;
// Libraries replace these for their own ends.
const { parse, stringify } = JSON;

const running = new AsyncLocalStorage();

/** The id of the host's call that this code came out of. */
export const current = () => running.getStore() ?? null;
export const bind = (call) => (...args) => running.run(undefined, () => call(...args));

export class Peer {
  #socket;
  #next = 0;
  #asked = new Map();
  #answering = new Map();
  #pieces = [];
  #size = 0;
  #handle;
  dropped = 0;

  /** `handle(method, params, call)` answers with a value, a promise or an async iterator; `onEnd` when the host went. */
  constructor(socket, handle, onEnd) {
    this.#socket = socket;
    this.#handle = handle;
    socket.on("data", (data) => this.#receive(data));
    socket.on("close", onEnd);
    socket.on("error", onEnd);
  }

  call(method, params, { signal } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw signal.reason;
      if (this.#asked.size >= MOST_CALLS) throw new Error(`${MOST_CALLS} calls are under way already`);
      const id = ++this.#next;
      this.#send([CALL, id, current(), String(method), pack(params)]);
      const onAbort = () => {
        this.#send([CANCEL, id]);
        settle(reject, signal.reason);
      };
      const settle = (how, what) => {
        this.#asked.delete(id);
        signal?.removeEventListener("abort", onAbort);
        how(what);
      };
      signal?.addEventListener("abort", onAbort);
      this.#asked.set(id, { resolve: (value) => settle(resolve, value), reject: (error) => settle(reject, error) });
    });
  }

  tell(method, params) {
    const packed = pack(params);
    if (this.#socket.writableLength > TELL_LIMIT) this.dropped++;
    else this.#send([TELL, current(), String(method), packed]);
  }

  #send(message) {
    const body = stringify(message);
    const size = Buffer.byteLength(body);
    if (size > LARGEST) throw new RangeError(`a message of ${size} bytes; at most ${LARGEST} are passed on`);
    const frame = Buffer.allocUnsafe(HEAD + size);
    frame.writeUInt32BE(size, 0);
    frame.write(body, HEAD);
    return this.#socket.write(frame);
  }

  #receive(data) {
    this.#pieces.push(data);
    this.#size += data.length;
    let next;
    while ((next = this.#takeFrame()) !== null) this.#dispatch(next);
  }

  #takeFrame() {
    if (this.#size < HEAD) return null;
    let head = this.#pieces[0];
    if (head.length < HEAD) head = this.#join();
    const whole = HEAD + head.readUInt32BE(0);
    if (this.#size < whole) return null;
    const buffer = head.length >= whole ? head : this.#join();
    if (buffer.length === whole) this.#pieces.shift();
    else this.#pieces[0] = buffer.subarray(whole);
    this.#size -= whole;
    return buffer.toString("utf8", HEAD, whole);
  }

  #join() {
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }

  #dispatch(text) {
    const message = parse(text);
    const id = message[1];
    switch (message[0]) {
      case CALL:
        return this.#answer(id, message[3], unpack(message[4]));
      case ANSWER:
        return this.#asked.get(id)?.resolve(unpack(message[2]));
      case ERROR:
        return this.#asked.get(id)?.reject(Object.assign(new Error(message[2]), { code: message[3] }));
      case CANCEL:
        return this.#answering.get(id)?.cancel();
      case TELL:
        return void this.#run(null, message[2], unpack(message[3])).catch(report);
      case STREAM:
        return this.#produce(id, message[2], unpack(message[3]), message[4]);
      case CREDIT:
        return this.#answering.get(id)?.add(message[2]);
      case PING:
        return this.#send([PONG, id]);
    }
  }

  /** Runs the program's method inside of the call, such that what it asks for names the call. */
  async #run(id, method, params, controller = new AbortController()) {
    return await running.run(id ?? undefined, () => this.#handle(method, params, { id, signal: controller.signal }));
  }

  #answer(id, method, params) {
    const controller = new AbortController();
    this.#answering.set(id, { cancel: () => controller.abort(), add() {} });
    this.#run(id, method, params, controller).then(
      (value) => this.#finish(id, value),
      (error) => this.#fail(id, error),
    );
  }

  #finish(id, value) {
    try {
      this.#send([ANSWER, id, pack(value)]);
    } catch (error) {
      return this.#fail(id, error);
    }
    this.#answering.delete(id);
  }

  #fail(id, error) {
    this.#answering.delete(id);
    this.#send([ERROR, id, wordsOf(error), String(error?.code ?? error?.name ?? "Error").slice(0, 100)]);
  }

  async #produce(id, method, params, credit) {
    const controller = new AbortController();
    let wake = () => {};
    const cancelled = new Promise((resolve) => controller.signal.addEventListener("abort", resolve));
    const add = (more) => {
      credit += more;
      wake();
    };
    this.#answering.set(id, { cancel: () => controller.abort(), add });
    try {
      const items = await this.#run(id, method, params, controller);
      const iterator = items[Symbol.asyncIterator]?.() ?? items[Symbol.iterator]();
      while (!controller.signal.aborted) {
        if (credit <= 0) {
          await Promise.race([new Promise((resolve) => (wake = resolve)), cancelled]);
          continue;
        }
        const step = running.run(id, () => iterator.next());
        const next = await Promise.race([step, cancelled.then(() => null)]);
        if (next === null) break;
        if (next.done) return this.#endStream(id);
        credit--;
        this.#send([ITEM, id, pack(next.value)]);
      }
      // A generator that stands in an `await` takes this only when it goes on: it is not waited for.
      Promise.resolve(iterator.return?.()).catch(report);
      this.#fail(id, new Error("the stream was cancelled"));
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #endStream(id) {
    this.#answering.delete(id);
    this.#send([END, id]);
  }
}

function wordsOf(error) {
  try {
    const isObject = typeof error === "object" && error !== null;
    const words = error?.message || (error instanceof Error && error.name) || (isObject ? inspect(error) : error);
    return String(words).slice(0, 4000).toWellFormed();
  } catch {
    return "an error without words";
  }
}

export function report(error) {
  console.error(error);
}
