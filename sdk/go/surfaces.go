package jackfield

import (
	"encoding/json"
	"net/http"
	"time"
)

// Endpoint is HTTP below /plugins/<id>, where the id has - for _. A segment of Path may have one {parameter}, which the
// handler finds with Request.PathValue, and the last may be {parameter:path} for all the rest. Methods are GET where
// there are none. Without Public, for which the plugin needs the permission routes:public, it is closed without a key.
type Endpoint struct {
	Path        string
	Methods     []string
	Public      bool
	Description string
	Handler     http.Handler
}

// EndpointProvider serves HTTP of its own. Endpoints is asked for once, after OnLoad.
type EndpointProvider interface{ Endpoints() []Endpoint }

// ObjectHook sees control objects as they are written. Moments are before_create, after_create, before_update,
// after_update, before_delete and after_delete.
type ObjectHook struct {
	Object   string
	Moments  []string
	Priority int32
	Handle   func(ctx *Context, call *ObjectCall) (*ObjectOutcome, error)
}

// ObjectCall is one write of an object.
type ObjectCall struct {
	Object, Moment, Operation, User string
	Value, Before                   json.RawMessage
}

// ObjectOutcome refuses the write where Refusal is not empty, else writes Value in its place where there is one.
type ObjectOutcome struct {
	Refusal, Message string
	Value            any
}

// ObjectHooker sees control objects as they are written.
type ObjectHooker interface{ ObjectHooks() []ObjectHook }

// Payload is data that an edge sent to the hub.
type Payload struct {
	ID, Edge, Namespace, Correlation string
	Data                             []byte
	Metadata                         map[string]string
	SentAt, ReceivedAt               time.Time
}

// Receiver takes payloads of edges. An error has the payload sent again.
type Receiver struct {
	Name   string
	Accept func(ctx *Context, payload *Payload) error
}

// PayloadReceiver takes data from edges.
type PayloadReceiver interface{ Receivers() []Receiver }

// Page is shown in the console, to operators (audience admin) or to users (portal).
type Page struct {
	ID, Title, Audience, Entry, Icon string
	Groups                           []string
}

// PageProvider shows pages: it serves their assets, and what they call.
type PageProvider interface {
	Pages() []Page
	Asset(ctx *Context, path string) (content []byte, mediaType string, err error)
	CallPage(ctx *Context, page, method string, payload json.RawMessage, caller *Caller) (any, error)
}
