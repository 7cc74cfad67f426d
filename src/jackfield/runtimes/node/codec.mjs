// Values as JSON in which dates, bytes and large integers come out as they went in; the other half, and what the tags
// mean, is in rpc/codec.py. Maps arrive as objects and sets as arrays; what JSON would lose in silence throws.

import { Buffer } from "node:buffer";

const DEEPEST = 128;
const isTagged = (keys) => keys.length === 1 && keys[0].charCodeAt(0) === 36;

export function pack(value) {
  return packAt(value, 0);
}

function packAt(value, depth) {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? value : value.toWellFormed();
    case "number":
      return Number.isFinite(value) ? value : null;
    case "boolean":
      return value;
    case "undefined":
      return null;
    case "bigint":
      return { $bigint: value.toString() };
    case "object":
      return value === null ? null : packObject(value, depth);
    default:
      throw new TypeError(`a ${typeof value} cannot be sent`);
  }
}

function packObject(value, depth) {
  if (value instanceof Date) return packDate(value);
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("base64") };
  if (depth >= DEEPEST) throw new TypeError(`values are nested deeper than ${DEEPEST}`);
  if (Array.isArray(value)) return value.map((item) => packAt(item, depth + 1));
  if (value instanceof Set) return Array.from(value, (item) => packAt(item, depth + 1));
  if (value instanceof Map) return packEntries(value, depth);
  if (typeof value.toJSON === "function") return packAt(value.toJSON(), depth + 1);
  if (value instanceof Error) return { name: String(value.name), message: String(value.message) };
  return packEntries(Object.entries(value), depth);
}

function packDate(date) {
  const time = date.getTime();
  if (Number.isNaN(time)) return null;
  const year = date.getUTCFullYear();
  if (year < 1 || year > 9999) throw new TypeError(`a date in the year ${year} cannot be sent`);
  return { $date: date.toISOString() };
}

function packEntries(entries, depth) {
  const packed = {};
  for (const [key, item] of entries) {
    if (typeof key !== "string") throw new TypeError(`a Map with a key that is a ${typeof key} cannot be sent`);
    if (item === undefined) continue;
    const name = key.isWellFormed() ? key : key.toWellFormed();
    const inner = packAt(item, depth + 1);
    if (name === "__proto__") define(packed, name, inner);
    else packed[name] = inner;
  }
  return isTagged(Object.keys(packed)) ? { $object: packed } : packed;
}

function define(object, name, value) {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Changes `value`, which came fresh out of JSON, in place. */
export function unpack(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) value[at] = unpack(value[at]);
    return value;
  }
  const keys = Object.keys(value);
  if (isTagged(keys)) return untag(keys[0], value[keys[0]]);
  return unpackEntries(value, keys);
}

function unpackEntries(object, keys) {
  for (const key of keys) {
    const item = object[key];
    if (typeof item === "object" && item !== null) {
      if (key === "__proto__") define(object, key, unpack(item));
      else object[key] = unpack(item);
    }
  }
  return object;
}

function untag(tag, value) {
  switch (tag) {
    case "$date":
      return new Date(value);
    case "$bytes": {
      // A copy of its own: small buffers share one, and a plugin may pass `.buffer` on.
      return new Uint8Array(Buffer.from(value, "base64"));
    }
    case "$bigint":
      return BigInt(value);
    case "$object":
      return unpackEntries(value, Object.keys(value));
    default:
      throw new TypeError(`the tag ${tag} says nothing`);
  }
}
