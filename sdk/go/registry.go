package jackfield

import (
	"encoding/json"
	"sync"
	"time"
)

// mostExchanges are kept; of a flood of them that nobody ends the oldest are forgotten.
const mostExchanges = 2_000

// registry is what a running plugin knows by name.
type registry struct {
	lock      sync.Mutex
	tools     map[string]Tool
	events    map[string]EventHandler
	tasks     map[string]Task
	exchanges map[string]*kept
	order     []string
	keeps     bool
}

// kept is what stays of an exchange from one call to the next.
type kept struct {
	opening opening
	request json.RawMessage
	local   map[any]any
}

func newRegistry() *registry {
	return &registry{
		tools: map[string]Tool{}, events: map[string]EventHandler{}, tasks: map[string]Task{},
		exchanges: map[string]*kept{},
	}
}

func (r *registry) setTool(tool Tool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.tools[tool.Name] = tool
}

func (r *registry) tool(name string) (Tool, bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	found, ok := r.tools[name]
	return found, ok
}

func (r *registry) setEvent(kind string, handler EventHandler) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.events[kind] = handler
}

func (r *registry) event(kind string) EventHandler {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.events[kind]
}

func (r *registry) setTask(task Task) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.tasks[task.Name] = task
}

func (r *registry) task(name string) (Task, bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	found, ok := r.tasks[name]
	return found, ok
}

// open is the exchange that a call is about, or nil where its opening is not known.
func (r *registry) open(id string, openingJSON, seenJSON []byte) (*Exchange, error) {
	known, err := r.keep(id, openingJSON)
	if known == nil || err != nil {
		return nil, err
	}
	var now seen
	if len(seenJSON) > 0 {
		if err := json.Unmarshal(seenJSON, &now); err != nil {
			return nil, err
		}
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if now.Request != nil {
		known.request = now.Request
	}
	return build(known, &now), nil
}

func (r *registry) keep(id string, openingJSON []byte) (*kept, error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if len(openingJSON) == 0 {
		return r.exchanges[id], nil
	}
	made := &kept{local: map[any]any{}}
	if err := json.Unmarshal(openingJSON, &made.opening); err != nil {
		return nil, err
	}
	if !r.keeps {
		return made, nil
	}
	if known, ok := r.exchanges[id]; ok {
		made.local = known.local
	} else {
		r.order = append(r.order, id)
	}
	r.exchanges[id] = made
	for len(r.exchanges) > mostExchanges || len(r.order) > 2*mostExchanges {
		delete(r.exchanges, r.order[0])
		r.order = r.order[1:]
	}
	return made, nil
}

func (r *registry) end(id string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	delete(r.exchanges, id)
}

func build(known *kept, now *seen) *Exchange {
	told := known.opening
	return &Exchange{
		ID: told.ID, At: moment(told.At).Round(time.Microsecond), Operation: told.Operation, Route: told.Route,
		ClientFormat: told.ClientFormat, Synthetic: told.Synthetic, Inbound: told.Inbound,
		Request: known.request, Response: now.Response, Replaced: now.Replaced, Caller: now.Caller,
		Identity: now.Identity, Candidates: now.Candidates, Outgoing: now.Outgoing, Attempts: now.Attempts,
		Head: now.Head, Behind: now.Behind, Usage: now.Usage, FinishReason: now.FinishReason, CostUSD: now.CostUSD,
		DecidedBy: now.DecidedBy, Timings: now.Timings, local: known.local,
	}
}
