// Package jackfield is what a Jackfield plugin in Go is written with.
//
// A plugin is a value that embeds Base and has the methods of the capabilities that it wants, each an interface of this
// package; main hands it to Serve. What it does not have it is never called for.
package jackfield

import (
	"context"
	"encoding/json"
	"time"
)

// Info is what a plugin says of itself. What stands in its jackfield.toml wins.
type Info struct {
	ID          string   `json:"id"`
	Version     string   `json:"version,omitempty"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
}

// Plugin is what every plugin is; Base has all of it.
type Plugin interface {
	Info() Info
	// OnLoad runs before the plugin sees its first exchange. An error keeps the plugin out.
	OnLoad(ctx *Context) error
	// OnEnable runs whenever it begins to serve, OnDisable whenever it no longer does.
	OnEnable(ctx *Context) error
	OnDisable(ctx *Context) error
	// OnUnload is the last call.
	OnUnload(ctx *Context) error
	// Health returns nil where the plugin is well; the error's text is shown to operators.
	Health(ctx *Context) error
}

// Base is what a plugin embeds.
type Base struct{ info Info }

// NewBase makes one.
func NewBase(info Info) Base { return Base{info: info} }

// Info is what it was made with.
func (b *Base) Info() Info { return b.info }

// OnLoad does nothing.
func (b *Base) OnLoad(*Context) error { return nil }

// OnEnable does nothing.
func (b *Base) OnEnable(*Context) error { return nil }

// OnDisable does nothing.
func (b *Base) OnDisable(*Context) error { return nil }

// OnUnload does nothing.
func (b *Base) OnUnload(*Context) error { return nil }

// Health is good.
func (b *Base) Health(*Context) error { return nil }

// Configurable has a config. Configure runs before OnLoad; what it returns is the config with its defaults, shown to
// operators, and an error with a Field is shown at that field.
type Configurable interface {
	// ConfigSchema is a JSON Schema. It must not depend on a config.
	ConfigSchema() json.RawMessage
	Configure(config json.RawMessage) (any, error)
}

// ConfigError is what is wrong with one field of a config.
type ConfigError struct{ Field, Message string }

func (e *ConfigError) Error() string { return e.Field + ": " + e.Message }

// FormProvider has a form for its config, where the schema alone does not make a good one.
type FormProvider interface{ ConfigForm() json.RawMessage }

// SessionAware is told once, after OnLoad, that the services can be reached.
type SessionAware interface{ OnSessionReady(ctx *Context) }

// PreAuth sees a request before it is known whose it is (hook point ingress).
type PreAuth interface {
	PreAuth(ctx *Context, exchange *Exchange) (Outcome, error)
}

// Authenticator says who calls: an Identity, nothing where the credential is not its own, or a Reject (auth).
type Authenticator interface {
	Authenticate(ctx *Context, exchange *Exchange) (Outcome, error)
}

// PostAuth sees a request when the caller is known and no model is chosen yet (pre_flight).
type PostAuth interface {
	PostAuth(ctx *Context, exchange *Exchange) (Outcome, error)
}

// Router sees the candidates, once a request (routing).
type Router interface {
	Route(ctx *Context, exchange *Exchange) (Outcome, error)
}

// AttemptHandler sees each try of an upstream (attempt).
type AttemptHandler interface {
	Attempt(ctx *Context, exchange *Exchange) (Outcome, error)
}

// HeadHandler sees status and headers of the answer (response_head).
type HeadHandler interface {
	ResponseHead(ctx *Context, exchange *Exchange) (Outcome, error)
}

// ChunkHandler sees each event of a stream (response_chunk).
type ChunkHandler interface {
	ResponseChunk(ctx *Context, exchange *Exchange, event json.RawMessage) (Outcome, error)
}

// BodyHandler sees the whole answer (response_body).
type BodyHandler interface {
	ResponseBody(ctx *Context, exchange *Exchange) (Outcome, error)
}

// DataCollector is told when an exchange is over: usage, cost and timings are final (background).
type DataCollector interface {
	Collect(ctx *Context, exchange *Exchange) error
}

// HookOptions say how the hook of a point runs. The zero value is: closed, and the gateway's defaults.
type HookOptions struct {
	// FailOpen lets the exchange go on where the hook fails, where the point leaves that choice.
	FailOpen       bool
	Priority       *int32
	Timeout        time.Duration
	Edits          bool
	ReplacesRecord bool
	SeesAnswer     bool
	LookBehind     uint32
	Hold           uint32
	Operations     []string
	Before, After  []string
}

// HookConfigurer has options for its hooks, by point.
type HookConfigurer interface{ HookOptions() map[Point]HookOptions }

// Provider serves models. Complete and Stream serve chats, in the canonical form.
type Provider interface {
	Complete(ctx *Context, call *ProviderCall) (any, error)
	Stream(ctx *Context, call *ProviderCall, send func(event any) error) error
}

// Embedder serves embeddings.
type Embedder interface {
	Embed(ctx *Context, call *ProviderCall) (any, error)
}

// ProviderCall is a request of a model.
type ProviderCall struct {
	Request  json.RawMessage
	Upstream Upstream
	Caller   *Caller
}

// Upstream is a configured upstream as its provider sees it.
type Upstream struct {
	Name, BaseURL string
	Options       json.RawMessage
}

// UpstreamError is what an upstream did wrong, or the way to it: the gateway acts on what it says.
type UpstreamError struct {
	// Kind is error, refused, unreachable, timeout, broken or rejected.
	Kind, Message string
	// NotSent says that the upstream cannot have begun to act on the request.
	NotSent    bool
	RetryAfter time.Duration
	// Status, Code, Body and Format are those of an upstream that answered with an error.
	Status       uint32
	Code, Format string
	Body         []byte
}

func (e *UpstreamError) Error() string { return e.Message }

// Tool is what models may call.
type Tool struct {
	Name, Description string
	// InputSchema is a JSON Schema of type object; any object where it is nil.
	InputSchema json.RawMessage
	Timeout     time.Duration
	// Run returns any JSON value. The text of an error is what the model is told.
	Run func(ctx *Context, call *ToolCall) (any, error)
}

// ToolCall is one call of a tool.
type ToolCall struct {
	ID        string
	Arguments json.RawMessage
	Caller    *Caller
	progress  func(fraction float64, message string) error
}

// Progress tells who waits for the call how much of it is done, from 0 to 1.
func (c *ToolCall) Progress(fraction float64, message string) error {
	if c.progress == nil {
		return nil
	}
	return c.progress(fraction, message)
}

// ToolProvider offers tools from the start; others are registered later by Services.Tools.
type ToolProvider interface{ Tools() []Tool }

// Caller is on whose behalf something runs.
type Caller struct {
	User         string   `json:"user,omitempty"`
	App          string   `json:"app,omitempty"`
	Credential   string   `json:"credential,omitempty"`
	Conversation string   `json:"conversation,omitempty"`
	Request      string   `json:"request,omitempty"`
	Models       []string `json:"models,omitempty"`
	Depth        uint32   `json:"depth,omitempty"`
}

// Agent is a model with instructions and tools. The gateway runs it, unless it has an Answer.
type Agent struct {
	ID, Description, Model, Instructions string
	Tools                                []string
	MaxTurns                             uint32
	Answer                               func(ctx *Context, message *AgentMessage, send func(event any) error) error
}

// AgentMessage is what a plugin's own agent is asked.
type AgentMessage struct {
	Agent   string
	Request json.RawMessage
	Caller  *Caller
}

// AgentProvider offers agents.
type AgentProvider interface{ Agents() []Agent }

// Task runs while the plugin serves: every so often, or by five fields of cron.
type Task struct {
	Name     string
	Every    time.Duration
	Cron     string
	Timezone string
	Run      func(ctx *Context) error
}

// TaskProvider has tasks from the start.
type TaskProvider interface{ Tasks() []Task }

// Event is something that happened.
type Event struct {
	Type   string
	Data   json.RawMessage
	Source string
	At     time.Time
}

// EventHandler is told of events; for tool:before_execute its reason, where it is not empty, refuses the call.
type EventHandler func(ctx *Context, event *Event) (refusal string, err error)

// Subscriber is told of events, by type.
type Subscriber interface {
	Subscriptions() map[string]EventHandler
}

// Interface guards: Base is a Plugin.
var _ Plugin = &Base{}

// contextKey keeps the gateway's call that something runs for.
type contextKey struct{}

// Context is what every call gets: a context that ends with the call, and the services.
type Context struct {
	context.Context
	Services *Services
}
