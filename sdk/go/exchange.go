package jackfield

import (
	"encoding/json"
	"strings"
	"time"
)

// Point is a moment of an exchange.
type Point string

// All points, in the order of an exchange.
const (
	Ingress       Point = "ingress"
	Auth          Point = "auth"
	PreFlight     Point = "pre_flight"
	Routing       Point = "routing"
	Attempt       Point = "attempt"
	ResponseHead  Point = "response_head"
	ResponseChunk Point = "response_chunk"
	ResponseBody  Point = "response_body"
	Background    Point = "background"
)

// Headers are in the order in which they came. Names are lower case.
type Headers [][2]string

// Get is the first value of a name, or the empty string.
func (h Headers) Get(name string) string {
	for _, pair := range h {
		if strings.EqualFold(pair[0], name) {
			return pair[1]
		}
	}
	return ""
}

// With is the same headers with this one in the place of all others of its name.
func (h Headers) With(name, value string) Headers {
	kept := make(Headers, 0, len(h)+1)
	for _, pair := range h {
		if !strings.EqualFold(pair[0], name) {
			kept = append(kept, pair)
		}
	}
	return append(kept, [2]string{strings.ToLower(name), value})
}

// Inbound is the HTTP request as it came in.
type Inbound struct {
	Method  string  `json:"method"`
	Path    string  `json:"path"`
	Headers Headers `json:"headers"`
	Body    []byte  `json:"body"`
	Query   string  `json:"query"`
	Client  string  `json:"client"`
}

// Outgoing is what is about to be sent to an upstream, without its credential.
type Outgoing struct {
	Method  string  `json:"method"`
	URL     string  `json:"url"`
	Headers Headers `json:"headers"`
	Body    []byte  `json:"body"`
}

// Head is status and headers of the answer to the client.
type Head struct {
	Status  uint32  `json:"status"`
	Headers Headers `json:"headers"`
}

// Candidate is an upstream that could serve the model, in the order of trying.
type Candidate struct {
	Upstream string  `json:"upstream"`
	Model    string  `json:"model"`
	Provider string  `json:"provider"`
	Priority int     `json:"priority"`
	Weight   float64 `json:"weight"`
}

// Tried is one try of an upstream.
type Tried struct {
	Upstream   string  `json:"upstream"`
	Model      string  `json:"model"`
	Status     *int    `json:"status"`
	Error      *string `json:"error"`
	DurationMS float64 `json:"duration_ms"`
	AtMS       float64 `json:"at_ms"`
}

// Timings are milliseconds.
type Timings struct {
	Total     float64  `json:"total"`
	FirstByte *float64 `json:"first_byte"`
	Upstream  *float64 `json:"upstream"`
	Hooks     float64  `json:"hooks"`
}

// Usage is in tokens.
type Usage struct {
	Input      int `json:"input"`
	Output     int `json:"output"`
	Cached     int `json:"cached"`
	CacheWrite int `json:"cache_write"`
	Reasoning  int `json:"reasoning"`
}

type opening struct {
	ID           string  `json:"id"`
	At           float64 `json:"at"`
	Operation    string  `json:"operation"`
	Route        string  `json:"route"`
	ClientFormat string  `json:"client_format"`
	Synthetic    bool    `json:"synthetic"`
	Inbound      Inbound `json:"inbound"`
}

type seen struct {
	Request      json.RawMessage `json:"request"`
	Replaced     bool            `json:"replaced"`
	Caller       *Caller         `json:"caller"`
	Identity     *Identity       `json:"identity"`
	Candidates   []Candidate     `json:"candidates"`
	Outgoing     *Outgoing       `json:"outgoing"`
	Attempts     []Tried         `json:"attempts"`
	Head         *Head           `json:"head"`
	Response     json.RawMessage `json:"response"`
	Behind       string          `json:"behind"`
	Usage        *Usage          `json:"usage"`
	FinishReason string          `json:"finish_reason"`
	CostUSD      *float64        `json:"cost_usd"`
	DecidedBy    string          `json:"decided_by"`
	Timings      *Timings        `json:"timings"`
}

// Exchange is one request on its way, as far as it is known at this point. Changing it changes nothing: what changes an
// exchange is the outcome that a hook returns.
type Exchange struct {
	ID           string
	At           time.Time
	Operation    string
	Route        string
	ClientFormat string
	// Synthetic is no client's request but the check that the plugin's hooks work, before it is taken into service.
	Synthetic bool
	Inbound   Inbound
	// Request is the canonical request, Response the canonical answer; nil where there is none yet.
	Request, Response json.RawMessage
	Replaced          bool
	Caller            *Caller
	Identity          *Identity
	Candidates        []Candidate
	Outgoing          *Outgoing
	Attempts          []Tried
	Head              *Head
	Behind            string
	Usage             *Usage
	FinishReason      string
	CostUSD           *float64
	DecidedBy         string
	Timings           *Timings
	local             map[any]any
}

// Local is the plugin's own state for this exchange, made by build when it is first asked for. Only where the plugin has
// hooks at more than one point, or at response_chunk, is it kept from one call to the next.
func Local[T any](exchange *Exchange, build func() *T) *T {
	var key *T
	if found, ok := exchange.local[key]; ok {
		return found.(*T)
	}
	made := build()
	exchange.local[key] = made
	return made
}

// Model is the model that the client asked for.
func (e *Exchange) Model() string {
	var told struct {
		Model string `json:"model"`
	}
	_ = json.Unmarshal(e.Request, &told)
	return told.Model
}

// LastUserText is the text of the last message of role user that has some.
func (e *Exchange) LastUserText() string {
	var told struct {
		Messages []struct {
			Role  string `json:"role"`
			Parts []struct {
				Is   string `json:"is"`
				Text string `json:"text"`
			} `json:"parts"`
		} `json:"messages"`
	}
	_ = json.Unmarshal(e.Request, &told)
	for at := len(told.Messages) - 1; at >= 0; at-- {
		text := ""
		if told.Messages[at].Role == "user" {
			for _, part := range told.Messages[at].Parts {
				if part.Is == "text" {
					text += part.Text
				}
			}
		}
		if text != "" {
			return text
		}
	}
	return ""
}
