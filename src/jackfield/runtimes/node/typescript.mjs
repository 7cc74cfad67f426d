// TypeScript as JavaScript: types stripped where that is all (lines and columns stay), else transformed; and imports of
// what only types need left out, as TypeScript itself does.

import { stripTypeScriptTypes } from "node:module";

export function compile(source, url) {
  return dropUnusedImports(removeTypes(source, url));
}

function removeTypes(source, url) {
  try {
    return stripTypeScriptTypes(source, { mode: "strip" });
  } catch (error) {
    if (error.code !== "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") throw named(error, url);
  }
  try {
    const code = stripTypeScriptTypes(source, { mode: "transform", sourceMap: true, sourceUrl: url });
    // Lines are others than the author's now; errors tell the author's.
    process.setSourceMapsEnabled(true);
    return code;
  } catch (error) {
    throw named(error, url);
  }
}

function named(error, url) {
  error.message = `${url}: ${error.message}`;
  return error;
}

const IMPORT = /(^|[;\n}])([ \t]*)import\s+([\w$\s{},*]+?)\s+from\s*(["'][^"'\n]+["'])([ \t]*;)?/g;

function dropUnusedImports(code) {
  if (!code.includes("import")) return code;
  const bare = blankComments(code);
  const found = [...bare.matchAll(IMPORT)].filter((match) => !isInTemplate(bare, match.index + match[1].length));
  let body = bare;
  for (const { index, 0: all } of found) body = body.slice(0, index) + " ".repeat(all.length) + body.slice(index + all.length);
  for (const match of found.reverse()) {
    const clause = keepUsed(match[3], body);
    if (clause === match[3]) continue;
    const begin = match.index + match[1].length;
    const statement = clause ? `import ${clause} from ${match[4]};` : "";
    const lines = match[0].slice(match[1].length).split("\n").length - 1;
    code = code.slice(0, begin) + statement + "\n".repeat(lines) + code.slice(match.index + match[0].length);
  }
  return code;
}

function isInTemplate(bare, place) {
  let at = 0;
  let last = "";
  while (at < place) {
    const end = tokenEnd(bare, at, last);
    if (bare.slice(at, end).trim()) last = bare.slice(at, end);
    at = end;
  }
  return at > place;
}

/** The import clause without the names that `body` never says; null where none is left. */
function keepUsed(clause, body) {
  const braces = clause.match(/\{([^}]*)\}/);
  const names = braces ? braces[1].split(",").map((name) => name.trim()).filter(Boolean) : [];
  const others = clause.replace(/\{[^}]*\}/, "").split(",").map((name) => name.trim()).filter(Boolean);
  const isUsed = (name) => new RegExp(`(?<![\\w$])${name.split(/\s+as\s+/).at(-1).replaceAll("$", "\\$")}(?![\\w$])`).test(body);
  const keptNames = names.filter(isUsed);
  const keptOthers = others.filter(isUsed);
  if (keptNames.length === names.length && keptOthers.length === others.length) return clause;
  const parts = [...keptOthers, ...(keptNames.length ? [`{ ${keptNames.join(", ")} }`] : [])];
  return parts.length ? parts.join(", ") : null;
}

/** The code with its comments, and the insides of texts that are no import's, as blanks; each at its place. */
export function blankComments(code) {
  let out = "";
  let at = 0;
  let last = "";
  while (at < code.length) {
    const end = tokenEnd(code, at, last);
    const token = code.slice(at, end);
    out += isBlankable(token, out) ? token.replace(/[^\n]/g, " ") : token;
    if (token.trim() && !token.startsWith("//") && !token.startsWith("/*")) last = token;
    at = end;
  }
  return out;
}

function isBlankable(token, before) {
  if (token.startsWith("//") || token.startsWith("/*")) return true;
  return /^["']/.test(token) && !/(\bfrom|\bimport)\s*$/.test(before.slice(-200));
}

/** Where the comment, text, pattern or word that begins at `at` ends. Templates stay whole: they may hold code. */
function tokenEnd(code, at, last) {
  const char = code[at];
  if (char === "/" && code[at + 1] === "/") return endOr(code, code.indexOf("\n", at), 0);
  if (char === "/" && code[at + 1] === "*") return endOr(code, code.indexOf("*/", at + 2), 2);
  if (char === '"' || char === "'") return quotedEnd(code, at, char);
  if (char === "`") return templateEnd(code, at);
  if (char === "/" && beginsPattern(last)) return patternEnd(code, at);
  const word = /[\w$]+|\s+/y;
  word.lastIndex = at;
  return word.test(code) ? word.lastIndex : at + 1;
}

const endOr = (code, index, more) => (index < 0 ? code.length : index + more);

function quotedEnd(code, at, quote) {
  for (let end = at + 1; end < code.length; end++) {
    if (code[end] === "\\") end++;
    else if (code[end] === quote || code[end] === "\n") return end + 1;
  }
  return code.length;
}

function templateEnd(code, at) {
  let end = at + 1;
  while (end < code.length && code[end] !== "`") {
    if (code[end] === "\\") end += 2;
    else if (code[end] === "$" && code[end + 1] === "{") end = placeholderEnd(code, end + 2);
    else end++;
  }
  return Math.min(end + 1, code.length);
}

function placeholderEnd(code, at) {
  let depth = 1;
  let last = "{";
  while (at < code.length && depth > 0) {
    const end = tokenEnd(code, at, last);
    const token = code.slice(at, end);
    if (token === "{") depth++;
    if (token === "}") depth--;
    if (token.trim()) last = token;
    at = end;
  }
  return at;
}

/** After a value a slash divides, elsewhere it begins a pattern. */
function beginsPattern(last) {
  if (/^(return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield)$/.test(last)) return true;
  return !/[\w$)\]"'`}]$/.test(last);
}

function patternEnd(code, at) {
  let inClass = false;
  for (let end = at + 1; end < code.length; end++) {
    const char = code[end];
    if (char === "\\") end++;
    else if (char === "\n") return at + 1;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) return end + 1;
  }
  return at + 1;
}
