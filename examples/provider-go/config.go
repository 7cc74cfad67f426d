package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type config struct {
	APIKey   string `json:"api_key"`
	Endpoint string `json:"endpoint"`
	Timeout  int    `json:"timeout"`
}

func (c *config) wait() time.Duration {
	return time.Duration(c.Timeout) * time.Second
}

// readConfig tells everything that is wrong at once. What was given is not repeated: it may be the key.
func readConfig(body io.Reader) (*config, error) {
	given := config{Endpoint: "https://api.openai.com/v1", Timeout: 30}
	if err := json.NewDecoder(body).Decode(&given); err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "the config cannot be read: "+err.Error())
	}
	if problems := given.problems(); len(problems) > 0 {
		return nil, refuse(http.StatusBadRequest, "invalid_request", strings.Join(problems, "; "))
	}
	given.Endpoint = strings.TrimRight(given.Endpoint, "/")
	return &given, nil
}

func (c *config) problems() (found []string) {
	if c.APIKey == "" {
		found = append(found, "api_key is required")
	}
	if address, err := url.Parse(c.Endpoint); err != nil || address.Host == "" || !strings.HasPrefix(address.Scheme, "http") {
		found = append(found, "endpoint must be an address such as https://api.openai.com/v1")
	}
	if c.Timeout < 1 || c.Timeout > 300 {
		found = append(found, "timeout must be a whole number from 1 to 300")
	}
	return found
}
