// What the provider says of itself: the same as in plugin.yaml.
const capabilities = {
  streaming: true,
  function_calling: true,
  vision: true,
  embeddings: false,
  fine_tuning: false,
};

const metadata = {
  name: "Relay in Express",
  version: "1.0.0",
  plugin_api_version: "1.0.0",
  provider_type: "relay-express",
  description: "Relays to any server with the OpenAI API, and tells what it cost",
  author: "The Jackfield authors",
  license: "Apache-2.0",
  capabilities,
  config_schema: [
    { name: "api_key", type: "string", required: true, description: "The key of the server's API", sensitive: true },
    {
      name: "endpoint",
      type: "string",
      required: false,
      description: "Where the server is",
      default: "https://api.openai.com/v1",
    },
    {
      name: "timeout",
      type: "int",
      required: false,
      description: "Seconds that it may take",
      default: 30,
      validation: { min: 1, max: 300 },
    },
  ],
};

// USD for a million tokens, read and written alike.
const prices = { "gpt-4o": 5.0, "gpt-4o-mini": 0.3 };

const models = Object.entries(prices).map(([id, price]) => ({
  id,
  name: id,
  description: `${id} behind this relay`,
  context_window: 128000,
  max_output_tokens: 16384,
  cost_per_mtoken: price,
  capabilities,
}));

module.exports = { metadata, models, prices };
