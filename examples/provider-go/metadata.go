package main

// What the provider says of itself: the same as in plugin.yaml.

type capabilities struct {
	Streaming       bool `json:"streaming"`
	FunctionCalling bool `json:"function_calling"`
	Vision          bool `json:"vision"`
	Embeddings      bool `json:"embeddings"`
	FineTuning      bool `json:"fine_tuning"`
}

type rule struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

type setting struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Required    bool   `json:"required"`
	Description string `json:"description"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Default     any    `json:"default,omitempty"`
	Validation  *rule  `json:"validation,omitempty"`
}

type metadata struct {
	Name             string       `json:"name"`
	Version          string       `json:"version"`
	PluginAPIVersion string       `json:"plugin_api_version"`
	ProviderType     string       `json:"provider_type"`
	Description      string       `json:"description"`
	Author           string       `json:"author"`
	License          string       `json:"license"`
	Capabilities     capabilities `json:"capabilities"`
	ConfigSchema     []setting    `json:"config_schema"`
}

type model struct {
	ID              string       `json:"id"`
	Name            string       `json:"name"`
	Description     string       `json:"description"`
	ContextWindow   int          `json:"context_window"`
	MaxOutputTokens int          `json:"max_output_tokens"`
	CostPerMToken   float64      `json:"cost_per_mtoken"`
	Capabilities    capabilities `json:"capabilities"`
}

var able = capabilities{Streaming: true, FunctionCalling: true, Vision: true}

var about = metadata{
	Name:             "Relay in Go",
	Version:          "1.0.0",
	PluginAPIVersion: "1.0.0",
	ProviderType:     "relay-go",
	Description:      "Relays to any server with the OpenAI API, and tells what it cost",
	Author:           "The Jackfield authors",
	License:          "Apache-2.0",
	Capabilities:     able,
	ConfigSchema: []setting{
		{Name: "api_key", Type: "string", Required: true, Description: "The key of the server's API", Sensitive: true},
		{Name: "endpoint", Type: "string", Description: "Where the server is", Default: "https://api.openai.com/v1"},
		{
			Name: "timeout", Type: "int", Description: "Seconds that it may take",
			Default: 30, Validation: &rule{Min: 1, Max: 300},
		},
	},
}

// The cost is in USD for a million tokens, read and written alike.
var models = []model{describe("gpt-4o", 5.0), describe("gpt-4o-mini", 0.3)}

func describe(id string, cost float64) model {
	return model{
		ID: id, Name: id, Description: id + " behind this relay",
		ContextWindow: 128_000, MaxOutputTokens: 16_384, CostPerMToken: cost, Capabilities: able,
	}
}

func priceOf(id string) (float64, bool) {
	for _, known := range models {
		if known.ID == id {
			return known.CostPerMToken, true
		}
	}
	return 0, false
}
