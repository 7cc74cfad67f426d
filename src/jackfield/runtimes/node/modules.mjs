// How a plugin's modules are found and read: TypeScript, paths without endings, and the mixture of import and require that
// other hosts of JavaScript allow. Only files of the plugin's folder are treated so.

import { readFileSync, statSync } from "node:fs";
import { createRequire, isBuiltin, registerHooks } from "node:module";
import { dirname, extname, join, resolve as resolvePath, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { blankComments, compile } from "./typescript.mjs";

const ENDINGS = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];
const TYPED = { ".ts": true, ".mts": true, ".cts": true };
const WRITTEN_FOR = { ".js": [".ts"], ".mjs": [".mts"], ".cjs": [".cts"], ".jsx": [".ts"] };
const NOT_FOUND = new Set(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND", "ERR_UNSUPPORTED_DIR_IMPORT"]);
const MODULE = /(^|[;\n}])\s*(import\b\s*[\w$*{"']|export\b\s*(\*|\{|default\b|const\b|let\b|var\b|function\b|async\b|class\b))|\bimport\.meta\b/;

const PACKAGES = `${sep}node_modules${sep}`;
const NAME = /^[A-Za-z_$][\w$]*$/;

const provided = [];

export function provideModule(pattern, url) {
  provided.push({ pattern, url: String(url) });
}

export function installHooks(folder) {
  const inFolder = (url) => {
    if (!url?.startsWith("file:")) return false;
    return fileURLToPath(url).startsWith(folder + sep);
  };
  registerHooks({
    resolve: (specifier, context, next) =>
      inFolder(context.parentURL) ? resolve(specifier, context, next) : next(specifier, context),
    load: (url, context, next) => (inFolder(url) ? load(url, context, next) : next(url, context)),
  });
}

function resolve(specifier, context, next) {
  const stand = provided.find(({ pattern }) => pattern.test(specifier));
  if (stand) return { url: stand.url, format: "module", shortCircuit: true };
  if (specifier === "bun" || specifier.startsWith("bun:")) {
    throw new Error(`${specifier} is part of Bun; plugins run on Node.js`);
  }
  try {
    return next(specifier, context);
  } catch (error) {
    if (!NOT_FOUND.has(error.code)) throw error;
    const found = findFile(specifier, context.parentURL);
    if (found) return { url: pathToFileURL(found).href, shortCircuit: true };
    throw explained(error, specifier);
  }
}

function explained(error, specifier) {
  const isPackage = !/^(\.|\/|file:|#)/.test(specifier) && !isBuiltin(specifier);
  if (isPackage) error.message = `the package ${specifier} is not in the plugin's node_modules (${error.message})`;
  return error;
}

function findFile(specifier, parent) {
  const path = pathOf(specifier, parent);
  if (path === null) return null;
  const ending = extname(path);
  const stem = path.slice(0, path.length - ending.length);
  const candidates = [
    ...(WRITTEN_FOR[ending] ?? []).map((other) => stem + other),
    ...ENDINGS.map((other) => path + other),
    ...mainsOf(path),
    ...ENDINGS.map((other) => join(path, `index${other}`)),
  ];
  return candidates.find(isFile) ?? null;
}

function pathOf(specifier, parent) {
  if (specifier.startsWith("file:")) return fileURLToPath(specifier);
  if (specifier.startsWith("/")) return specifier;
  return /^\.{1,2}(\/|$)/.test(specifier) ? resolvePath(dirname(fileURLToPath(parent)), specifier) : null;
}

function mainsOf(folder) {
  const main = packageAt(folder)?.main;
  if (typeof main !== "string") return [];
  const path = join(folder, main);
  return [path, ...ENDINGS.map((ending) => path + ending)];
}

function isFile(path) {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function packageAt(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch {
    return null;
  }
}

function load(url, context, next) {
  const path = fileURLToPath(url);
  const ending = extname(path);
  const isRequired = context.conditions?.includes("require") ?? false;
  if (ending === ".json" && !isRequired) return jsonModule(path);
  if (!TYPED[ending] && ![".js", ".mjs"].includes(ending)) return next(url, context);
  const source = readFileSync(path, "utf8").replace(/^\uFEFF?(#![^\n]*)?/, "");
  const code = TYPED[ending] ? compile(source, url) : source;
  if (!isModule(path, ending, code)) {
    if (TYPED[ending]) return { format: "commonjs", source: code, shortCircuit: true };
    return isRequired || !path.includes(PACKAGES) ? next(url, context) : withNames(path, source);
  }
  const whole = exportsByHand(code) ? `${BY_HAND} ${code}\nexport default module.exports;` : code;
  return { format: "module", source: preludeFor(path, code) + whole, shortCircuit: true };
}

/** A package whose exports only show when it runs; other hosts of JavaScript let them be imported by name all the same. */
function withNames(path, source) {
  const names = Object.keys(createRequire(path)(path) ?? {}).filter((name) => NAME.test(name) && name !== "default");
  const told = names.map((name) => `exports.${name} = 0;`).join(" ");
  return { format: "commonjs", source: `${source}\n;if (0) { ${told} }`, shortCircuit: true };
}

function jsonModule(path) {
  const text = JSON.stringify(JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, "")));
  return { format: "module", source: `export default JSON.parse(${JSON.stringify(text)});`, shortCircuit: true };
}

function isModule(path, ending, code) {
  if (ending === ".mjs" || ending === ".mts") return true;
  if (ending === ".cts") return false;
  // Most packages never say either word, and are long.
  return (/\b(import|export)\b/.test(code) && MODULE.test(blankComments(code))) || typeOf(path) === "module";
}

function typeOf(path) {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const found = packageAt(folder);
    if (found) return found.type;
    if (folder === dirname(folder)) return undefined;
  }
}

const BY_HAND = "const module = { exports: {} }; const exports = module.exports;";

/** Whether it imports as a module does, and exports as CommonJS does. */
function exportsByHand(code) {
  const bare = blankComments(code);
  if (!/(?<![\w$.])(module\.exports\b|exports\.\w+\s*=)/.test(bare) || /(^|[;\n}])\s*export\b/.test(bare)) return false;
  return !declares(bare, "module") && !declares(bare, "exports");
}

function declares(code, name) {
  return new RegExp(`\\b(const|let|var|function|class|as)\\s+${name}\\b|\\{[^}]*\\b${name}\\b[^}]*\\}\\s*(=|from)`).test(code);
}

/** What a module of the plugin may use as if Node had it there. On the first line, so that lines stay what they are. */
function preludeFor(path, code) {
  const parts = [];
  const uses = (name) => new RegExp(`(?<![\\w$.])${name}\\b`).test(code);
  const wants = (name) => uses(name) && !declares(code, name);
  if (wants("require")) {
    parts.push('import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);');
  }
  if (wants("__filename")) parts.push(`const __filename = ${JSON.stringify(path)};`);
  if (wants("__dirname")) parts.push(`const __dirname = ${JSON.stringify(dirname(path))};`);
  // Code that asks whether there is Bun has another way.
  if (wants("Bun") && /\bBun\s*[.[]/.test(code) && !/typeof\s+Bun\b|globalThis\.Bun/.test(code)) parts.push(NO_BUN);
  return parts.join(" ");
}

const NO_BUN =
  "const Bun = new Proxy({}, { get(_, name) { throw new Error(`Bun.${String(name)} is part of Bun; plugins run on Node.js`); } });";
