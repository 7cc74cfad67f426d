// What plugins import of the guide's system: its helpers, which need nothing of the host. Its types are names without a
// value, for code that imports them as if they had one.

const PERMISSIONS = new Set([
  "tools:register",
  "tools:execute",
  "memory:read",
  "memory:write",
  "storage:read",
  "storage:write",
  "http:outbound",
  "events:subscribe",
  "events:emit",
  "scheduler:read",
  "scheduler:write",
  "users:read",
]);
const ID = /^[a-z][a-z0-9-]*$/;
const FULL_NAME = /^plugin_([a-z][a-z0-9-]*)_(.+)$/;

export function getFullToolName(pluginId, toolName) {
  return `plugin_${pluginId}_${toolName}`;
}

/** `null` for what is no plugin's tool. */
export function parseToolName(fullName) {
  const found = FULL_NAME.exec(fullName);
  return found === null ? null : { pluginId: found[1], toolName: found[2] };
}

export function hasPermission(manifest, permission) {
  return manifest?.permissions?.includes(permission) ?? false;
}

export function validateManifest(manifest) {
  const texts = [manifest?.id, manifest?.name, manifest?.version];
  const permissions = manifest?.permissions ?? [];
  return (
    texts.every((text) => typeof text === "string" && text !== "") &&
    ID.test(manifest.id) &&
    manifest.permissions !== null &&
    Array.isArray(permissions) &&
    permissions.every((permission) => PERMISSIONS.has(permission))
  );
}

/** For code without an API: what it says is among the last words of the process. */
export function createPluginLogger(pluginId) {
  const prefix = `[Plugin:${pluginId}]`;
  return {
    debug: (...said) => {
      if (process.env.NODE_ENV !== "production") console.debug(prefix, ...said);
    },
    info: (...said) => console.info(prefix, ...said),
    warn: (...said) => console.warn(prefix, ...said),
    error: (...said) => console.error(prefix, ...said),
  };
}

export let MemorySearchResult,
  Plugin,
  PluginAPI,
  PluginConfig,
  PluginEvent,
  PluginEventEmitter,
  PluginEventHandler,
  PluginEventType,
  PluginFactory,
  PluginHttpClient,
  PluginHttpRequest,
  PluginHttpResponse,
  PluginLogger,
  PluginManifest,
  PluginMemory,
  PluginMemoryAccess,
  PluginMetadata,
  PluginPermission,
  PluginScheduledTask,
  PluginScheduler,
  PluginState,
  PluginStorage,
  PluginStorageOptions,
  PluginTool,
  PluginToolContext,
  PluginToolDefinition,
  PluginToolResult,
  PluginUserAccess,
  UserInfo,
  UserPreferences;
