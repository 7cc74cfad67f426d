"""Plugins in TypeScript and JavaScript as authors write them: every form of export, every kind of module, and what is
told of one that does not load."""

from __future__ import annotations

import json

from .house import House

REGISTER = 'onLoad(api) { api.registerTool({ name: "t", handler: async () => ({ success: true, result: "ran" }) }); }'
FORMS = {
    "default-function": ("index.ts", f"export default function (manifest) {{ return {{ {REGISTER} }}; }}"),
    "default-async": ("index.mjs", f"export default async (manifest) => ({{ {REGISTER} }});"),
    "default-class": ("index.mts", f"export default class {{ {REGISTER} }}"),
    "create-plugin": ("index.ts", f"export function createPlugin(manifest) {{ return {{ {REGISTER} }}; }}"),
    "plugin-object": ("index.ts", f"export const plugin = {{ {REGISTER} }};"),
    "cjs-function": ("index.js", f"module.exports = function (manifest) {{ return {{ {REGISTER} }}; }};"),
    "cjs-compiled": (
        "dist/index.js",
        f'"use strict"; Object.defineProperty(exports, "__esModule", {{ value: true }});'
        f"exports.default = function (manifest) {{ return {{ {REGISTER} }}; }};",
    ),
    "cjs-create": ("index.cjs", f"exports.createPlugin = (manifest) => ({{ {REGISTER} }});"),
    "cjs-plugin": ("index.cjs", f"module.exports = {{ plugin: {{ {REGISTER} }} }};"),
}
FEATURES = """
    import { Plugin, PluginAPI, PluginManifest, PluginToolResult } from "../../src/core/plugins";
    import { getFullToolName, parseToolName, validateManifest, hasPermission } from "@sentinel/plugins";
    import { createPluginLogger } from "../../core/plugins/plugin-api.ts";
    import { helper } from "./helper";
    import { older } from "./older.js";
    import words from "./words.json";
    import pad from "left-pad";

    const { basename } = require("path");

    enum Unit { Celsius = "celsius", Kelvin = "kelvin" }

    namespace Scale { export const freezing = 273; }

    class Place {
      constructor(private readonly name: string, public unit: Unit = Unit.Kelvin) {}
      tell(): string { return `${this.name} in ${this.unit}`; }
    }

    const settings = { unit: Unit.Celsius } satisfies { unit: Unit };

    export default function createPlugin(manifest: PluginManifest): Plugin {
      return {
        async onLoad(api: PluginAPI) {
          api.registerTool({
            name: "features",
            description: "",
            inputSchema: { type: "object" as const },
            handler: async (): Promise<PluginToolResult> => ({
              success: true,
              result: [
                new Place("Oslo").tell(), settings.unit, Scale.freezing, helper(2), older, words.hello, pad("x", 3),
                basename("/a/b.ts"), basename(__filename), getFullToolName(manifest.id, "x"),
                parseToolName("plugin_a-b_c_d"), parseToolName("execute_command"), validateManifest(manifest),
                validateManifest({ ...manifest, permissions: ["x"] } as any), hasPermission(manifest, "users:read"),
                typeof createPluginLogger(manifest.id).info,
              ],
            }),
          });
        },
      };
    }
"""
BROKEN = {
    "no-export": ("export const x = 1;", "Plugin no-export does not export a valid factory or plugin object"),
    "no-load": ("export default () => ({ onUnload() {} });", "the factory made object without onLoad"),
    "factory-throws": ("export default () => { throw new RangeError('no room'); };", "no room"),
    "load-throws": ("export const plugin = { async onLoad() { throw new Error('no key'); } };", "no key"),
    "syntax": ("const x = 1;\nconst y = ;\n", "index.ts"),
    "missing": ("import x from 'no-such-package'; export const plugin = { onLoad() { x(); } };", "no-such-package"),
    "bun": ("import { Database } from 'bun:sqlite'; export const plugin = { onLoad() { new Database(); } };", "Bun"),
    "schema": (
        "export const plugin = { onLoad(api) {"
        " api.registerTool({ name: 'odd', inputSchema: { type: 'text' }, handler() {} }); } };",
        "tool odd: the input schema must be of type object",
    ),
    "leaves": ("export const plugin = { onLoad() { process.exit(3); } };", "exit code 3"),
}


async def test_each_form_of_export_is_taken(house: House) -> None:
    for name, (main, code) in FORMS.items():
        house.write(name, code, main=main)
    plugins = await house.start()
    assert {name: plugin.reason for name, plugin in plugins.items()} == dict.fromkeys(FORMS)
    assert {name: await house.ask(name, "t") for name in FORMS} == dict.fromkeys(FORMS, "ran")


async def test_typescript_runs_as_it_is_with_its_own_files_and_packages(house: House) -> None:
    place = house.write("features", FEATURES)
    (place / "helper.ts").write_text("export const helper = (n: number): number => n * 21;")
    (place / "older.ts").write_text("export const older: string = 'written for .js';")
    (place / "words.json").write_text('{"hello": "hei"}')
    package = place / "node_modules" / "left-pad"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "left-pad", "version": "1.0.0", "main": "lib.js"}')
    (package / "lib.js").write_text("module.exports = (text, length) => text.padStart(length);")
    assert (await house.start())["features"].reason is None
    assert await house.ask("features", "features") == [
        "Oslo in kelvin", "celsius", 273, 42, "written for .js", "hei", "  x",
        "b.ts", "index.ts", "plugin_features_x",
        {"pluginId": "a-b", "toolName": "c_d"}, None, True, False, True,
        "function",
    ]  # fmt: skip


async def test_a_package_with_sentinel_is_a_plugin(house: House) -> None:
    place = house.folder / "packed"
    (place / "dist").mkdir(parents=True)
    said = {
        "name": "packed",
        "version": "2.0.0",
        "main": "dist/index.js",
        "author": {"name": "Ada"},
        "type": "module",
        "sentinel": {"name": "Packed", "permissions": ["tools:register"]},
    }
    (place / "package.json").write_text(json.dumps(said))
    (place / "dist" / "index.js").write_text(f"export const plugin = {{ {REGISTER} }};")
    plugin = (await house.start())["packed"]
    assert (plugin.reason, plugin.name, plugin.version, plugin.author) == (None, "Packed", "2.0.0", "Ada")
    assert await house.ask("packed", "t") == "ran"


async def test_one_that_does_not_load_is_listed_with_the_reason_and_harms_no_other(house: House) -> None:
    for name, (code, _) in BROKEN.items():
        house.write(name, code)
    house.write("zz-good", f"export const plugin = {{ {REGISTER} }};")
    plugins = await house.start()
    assert plugins["zz-good"].state == "active"
    for name, (_, told) in BROKEN.items():
        assert plugins[name].state == "failed", name
        assert told in (plugins[name].reason or ""), name
    assert "index.ts:2" in (plugins["syntax"].reason or "")
