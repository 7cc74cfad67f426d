// Rate limiter: so many requests a minute for each app.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

//go:embed page/usage.html
var shown string

// page escapes what it shows.
var page = template.Must(template.New("usage").Parse(shown))

const schema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "requests": {"type": "integer", "minimum": 1, "default": 60,
      "description": "How many requests an app may send within a window"},
    "window_s": {"type": "integer", "minimum": 1, "maximum": 86400, "default": 60,
      "description": "How long a window is, in seconds"}
  }
}`

type config struct {
	Requests int64 `json:"requests"`
	WindowS  int64 `json:"window_s"`
}

type rateLimiter struct {
	jackfield.Base
	config  config
	limiter *limiter
}

// standing is what one exchange was counted as, for the headers of its answer.
type standing struct {
	counted bool
	left    int64
}

func newRateLimiter() *rateLimiter {
	return &rateLimiter{
		Base: jackfield.NewBase(jackfield.Info{
			ID: "grpc-rate-limiter-go", Version: "1.0.0", Description: "Limits how many requests each app may send.",
		}),
	}
}

func (p *rateLimiter) ConfigSchema() json.RawMessage { return json.RawMessage(schema) }

func (p *rateLimiter) Configure(given json.RawMessage) (any, error) {
	made := config{Requests: 60, WindowS: 60}
	if given != nil {
		if err := json.Unmarshal(given, &made); err != nil {
			return nil, err
		}
	}
	if made.Requests < 1 {
		return nil, &jackfield.ConfigError{Field: "requests", Message: fmt.Sprintf("must be 1 or more, not %d", made.Requests)}
	}
	if made.WindowS < 1 || made.WindowS > 86400 {
		return nil, &jackfield.ConfigError{Field: "window_s", Message: fmt.Sprintf("must be 1 to 86400, not %d", made.WindowS)}
	}
	p.config = made
	return made, nil
}

func (p *rateLimiter) OnLoad(ctx *jackfield.Context) error {
	window := time.Duration(p.config.WindowS) * time.Second
	p.limiter = newLimiter(ctx.Services.KV(), p.config.Requests, window, time.Now)
	return nil
}

// OnSessionReady shows early that the store can be reached.
func (p *rateLimiter) OnSessionReady(ctx *jackfield.Context) {
	var nothing any
	if _, err := ctx.Services.KV().Get(ctx, "warm-up", &nothing); err != nil {
		_ = ctx.Services.Log(ctx, "warning", "the store cannot be reached", map[string]any{"error": err.Error()})
	}
}

func (p *rateLimiter) HookOptions() map[jackfield.Point]jackfield.HookOptions {
	early := int32(20)
	return map[jackfield.Point]jackfield.HookOptions{
		jackfield.PreFlight:    {Priority: &early},
		jackfield.ResponseHead: {FailOpen: true},
	}
}

// PostAuth counts the request. A store that fails is an error, and so refuses: the hook is closed.
func (p *rateLimiter) PostAuth(ctx *jackfield.Context, exchange *jackfield.Exchange) (jackfield.Outcome, error) {
	if exchange.Synthetic {
		return nil, nil
	}
	taken, left, wait, err := p.limiter.take(ctx, appOf(exchange))
	if err != nil {
		return nil, err
	}
	if !taken {
		text := fmt.Sprintf("%d requests within %d seconds are allowed.", p.config.Requests, p.config.WindowS)
		return jackfield.Reject{Status: 429, Code: "rate_limit_exceeded", Message: text, RetryAfter: wait}, nil
	}
	*jackfield.Local(exchange, func() *standing { return &standing{} }) = standing{counted: true, left: left}
	return nil, nil
}

// ResponseHead tells the client where it stands.
func (p *rateLimiter) ResponseHead(_ *jackfield.Context, exchange *jackfield.Exchange) (jackfield.Outcome, error) {
	found := jackfield.Local(exchange, func() *standing { return &standing{} })
	if !found.counted || exchange.Head == nil {
		return nil, nil
	}
	headers := exchange.Head.Headers.
		With("x-ratelimit-limit", strconv.FormatInt(p.config.Requests, 10)).
		With("x-ratelimit-remaining", strconv.FormatInt(found.left, 10))
	return jackfield.ReplaceHead{Head: jackfield.Head{Status: exchange.Head.Status, Headers: headers}}, nil
}

func appOf(exchange *jackfield.Exchange) string {
	if exchange.Identity == nil {
		return "nobody"
	}
	if exchange.Identity.App != "" {
		return "app/" + exchange.Identity.App
	}
	return "credential/" + exchange.Identity.Credential
}

// Endpoints is one page, at /plugins/grpc-rate-limiter-go/.
func (p *rateLimiter) Endpoints() []jackfield.Endpoint {
	return []jackfield.Endpoint{{
		Path: "/", Description: "How much of the window each app has used, as far as this process knows.",
		Handler: http.HandlerFunc(p.showUsage),
	}}
}

func (p *rateLimiter) showUsage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// It fails where nobody listens any more.
	_ = page.Execute(w, p.limiter.usage())
}

func main() { jackfield.Serve(newRateLimiter()) }
