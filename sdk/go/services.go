package jackfield

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	callKey = "jackfield-call"
	codeKey = "jackfield-code"
)

// ErrNoServices is what services answer before the gateway has opened a session.
var ErrNoServices = errors.New("the gateway has opened no session yet")

// ServiceError is what a service refused, with its code: not_granted, quota_exceeded, rate_limit_exceeded,
// invalid_value and others.
type ServiceError struct{ Code, Message string }

func (e *ServiceError) Error() string { return e.Message }

// Services are what the gateway does for the plugin, as far as its permissions go. What the plugin asks for runs on
// behalf of the call whose context it gives.
type Services struct {
	host     func() pb.HostClient
	registry *registry
}

// KV is what the plugin stores for itself.
func (s *Services) KV() *KV { return &KV{services: s} }

type trailer = metadata.MD

// ask calls the gateway on behalf of the call that ctx belongs to.
func ask[R any](ctx context.Context, s *Services, call func(context.Context, pb.HostClient, *trailer) (R, error)) (R, error) {
	var nothing R
	host := s.host()
	if host == nil {
		return nothing, ErrNoServices
	}
	if id, ok := ctx.Value(contextKey{}).(string); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, callKey, id)
	}
	var told trailer
	reply, err := call(ctx, host, &told)
	if err == nil {
		return reply, nil
	}
	found, ok := status.FromError(err)
	if !ok {
		return nothing, err
	}
	code := found.Code().String()
	if codes := told.Get(codeKey); len(codes) > 0 {
		code = codes[0]
	}
	return nothing, &ServiceError{Code: code, Message: found.Message()}
}

// KV stores JSON values. Its namespaces and users are scopes of their own.
type KV struct {
	services  *Services
	namespace string
	user      *string
}

// Namespace is the same store with keys of its own.
func (k *KV) Namespace(name string) *KV {
	return &KV{services: k.services, namespace: name, user: k.user}
}

// User is the same store for one user alone.
func (k *KV) User(id string) *KV {
	return &KV{services: k.services, namespace: k.namespace, user: &id}
}

func (k *KV) scope() *pb.KvScope { return &pb.KvScope{Namespace: k.namespace, User: k.user} }

func (k *KV) key(key string) *pb.KvKey { return &pb.KvKey{Key: key, Scope: k.scope()} }

// Get reads into value, and tells whether there was one.
func (k *KV) Get(ctx context.Context, key string, value any) (bool, error) {
	reply, err := ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvValue, error) {
		return host.KvGet(ctx, k.key(key), trailing(told))
	})
	if err != nil || reply.ValueJson == nil {
		return false, err
	}
	return true, json.Unmarshal(reply.ValueJson, value)
}

// Set writes a value; ttl is how long it lives, for ever where it is 0.
func (k *KV) Set(ctx context.Context, key string, value any, ttl time.Duration) error {
	data, err := encode(value)
	if err != nil {
		return err
	}
	_, err = ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		request := &pb.KvSetRequest{Key: key, Scope: k.scope(), ValueJson: data, TtlS: seconds(ttl)}
		return host.KvSet(ctx, request, trailing(told))
	})
	return err
}

// Delete tells whether there was such a key.
func (k *KV) Delete(ctx context.Context, key string) (bool, error) {
	reply, err := ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvFlag, error) {
		return host.KvDelete(ctx, k.key(key), trailing(told))
	})
	return reply.GetValue(), err
}

// List is the keys that begin with prefix, sorted.
func (k *KV) List(ctx context.Context, prefix string) ([]string, error) {
	reply, err := ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvKeys, error) {
		return host.KvList(ctx, &pb.KvListRequest{Prefix: prefix, Scope: k.scope()}, trailing(told))
	})
	return reply.GetKeys(), err
}

// Clear deletes all of this scope, and tells how many keys that were.
func (k *KV) Clear(ctx context.Context) (int64, error) {
	reply, err := ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvCount, error) {
		return host.KvClear(ctx, k.scope(), trailing(told))
	})
	return reply.GetValue(), err
}

// Increment is the new value of a counter; of concurrent ones none is lost. The ttl begins with the counter.
func (k *KV) Increment(ctx context.Context, key string, by int64, ttl time.Duration) (int64, error) {
	reply, err := ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvCount, error) {
		request := &pb.KvIncrementRequest{Key: key, Scope: k.scope(), By: by, TtlS: seconds(ttl)}
		return host.KvIncrement(ctx, request, trailing(told))
	})
	return reply.GetValue(), err
}

// CompareAndSet writes value where what is there is expected; nil is a key that is not there.
func (k *KV) CompareAndSet(ctx context.Context, key string, expected, value any, ttl time.Duration) (bool, error) {
	before, err := encode(expected)
	if err != nil {
		return false, err
	}
	after, err := encode(value)
	if err != nil {
		return false, err
	}
	reply, err := ask(ctx, k.services, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvFlag, error) {
		request := &pb.KvCompareAndSetRequest{
			Key: key, Scope: k.scope(), ExpectedJson: before, ValueJson: after, TtlS: seconds(ttl),
		}
		return host.KvCompareAndSet(ctx, request, trailing(told))
	})
	return reply.GetValue(), err
}

// HTTPRequest is sent by the gateway, which checks where it goes. {secret:NAME} in a header's value stands for a secret
// that the operator has given this plugin.
type HTTPRequest struct {
	Method, URL   string
	Headers       Headers
	Body          []byte
	Timeout       time.Duration
	KeepRedirects bool
}

// HTTPResponse is what came back; a status of 400 and above is an answer like any other.
type HTTPResponse struct {
	Status      uint32
	Reason, URL string
	Headers     Headers
	Body        []byte
}

// HTTP sends a request.
func (s *Services) HTTP(ctx context.Context, request HTTPRequest) (*HTTPResponse, error) {
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.HttpReply, error) {
		return host.HttpRequest(ctx, &pb.HttpCall{
			Method: request.Method, Url: request.URL, Headers: writeHeaders(request.Headers), Body: request.Body,
			TimeoutS: request.Timeout.Seconds(), KeepRedirects: request.KeepRedirects,
		}, trailing(told))
	})
	if err != nil {
		return nil, err
	}
	return &HTTPResponse{
		Status: reply.Status, Reason: reply.Reason, URL: reply.Url, Headers: readHeaders(reply.Headers), Body: reply.Body,
	}, nil
}

// Log writes one entry of the gateway's log. Level is debug, info, warning or error.
func (s *Services) Log(ctx context.Context, level, text string, fields map[string]any) error {
	data, err := encode(fields)
	if err != nil {
		return err
	}
	_, err = ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		return host.Log(ctx, &pb.LogEntry{Level: level, Text: text, FieldsJson: data}, trailing(told))
	})
	return err
}

// Report tells that the plugin is well, where problem is nil, or why it is not.
func (s *Services) Report(ctx context.Context, problem error) error {
	_, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		return host.Report(ctx, healthOf(problem), trailing(told))
	})
	return err
}

// Emit tells others of an event.
func (s *Services) Emit(ctx context.Context, kind string, data any) error {
	encoded, err := encode(data)
	if err != nil {
		return err
	}
	_, err = ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		return host.EventsEmit(ctx, &pb.Event{Type: kind, DataJson: encoded}, trailing(told))
	})
	return err
}

// Subscribe has the handler told of events of a type from now on, in the place of an earlier one.
func (s *Services) Subscribe(ctx context.Context, kind string, handler EventHandler) error {
	s.registry.setEvent(kind, handler)
	_, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		return host.EventsOn(ctx, &pb.EventType{Type: kind}, trailing(told))
	})
	return err
}

// RegisterTool offers a tool from now on.
func (s *Services) RegisterTool(ctx context.Context, tool Tool) error {
	s.registry.setTool(tool)
	_, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		return host.RegisterTool(ctx, writeTool(tool), trailing(told))
	})
	return err
}

// UnregisterTool offers it no longer.
func (s *Services) UnregisterTool(ctx context.Context, name string) error {
	_, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Empty, error) {
		return host.UnregisterTool(ctx, &pb.ToolName{Name: name}, trailing(told))
	})
	return err
}

// ExecuteTool runs a tool of another plugin, by its full name, and reads its result.
func (s *Services) ExecuteTool(ctx context.Context, name string, arguments, result any) error {
	data, err := encode(arguments)
	if err != nil {
		return err
	}
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.ToolReply, error) {
		return host.ExecuteTool(ctx, &pb.ToolCall{Name: name, ArgumentsJson: data}, trailing(told))
	})
	if err != nil {
		return err
	}
	if !reply.Success {
		return &ServiceError{Code: "tool_failed", Message: reply.Error}
	}
	if result == nil || len(reply.ResultJson) == 0 {
		return nil
	}
	return json.Unmarshal(reply.ResultJson, result)
}

// Schedule runs a task from now on, in the place of an earlier one of its name; once runs it a single time.
func (s *Services) Schedule(ctx context.Context, task Task, once bool) (string, error) {
	s.registry.setTask(task)
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.TaskId, error) {
		return host.Schedule(ctx, &pb.ScheduleRequest{Task: writeTask(task), Once: once}, trailing(told))
	})
	return reply.GetId(), err
}

// CancelTask tells whether there was such a task.
func (s *Services) CancelTask(ctx context.Context, id string) (bool, error) {
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.KvFlag, error) {
		return host.CancelTask(ctx, &pb.TaskId{Id: id}, trailing(told))
	})
	return reply.GetValue(), err
}

// Memory is what is remembered of a user.
type Memory struct {
	ID, Content, Type string
	Importance        uint32
	Similarity        float64
	CreatedAt         time.Time
}

// SearchMemory finds what is most similar first; limit is 10 where it is 0.
func (s *Services) SearchMemory(ctx context.Context, query, user string, limit uint32) ([]Memory, error) {
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Memories, error) {
		return host.SearchMemory(ctx, &pb.MemorySearch{Query: query, User: user, Limit: limit}, trailing(told))
	})
	if err != nil {
		return nil, err
	}
	found := make([]Memory, len(reply.Memories))
	for at, memory := range reply.Memories {
		found[at] = Memory{
			ID: memory.Id, Content: memory.Content, Type: memory.Type, Importance: memory.Importance,
			Similarity: memory.Similarity, CreatedAt: moment(memory.CreatedAt),
		}
	}
	return found, nil
}

// Remember is the new memory's id. Kind is episodic, semantic or procedural; importance 1 to 10.
func (s *Services) Remember(ctx context.Context, user, content, kind string, importance uint32) (string, error) {
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.MemoryId, error) {
		request := &pb.NewMemory{User: user, Content: content, Type: kind, Importance: importance}
		return host.CreateMemory(ctx, request, trailing(told))
	})
	return reply.GetId(), err
}

// User is somebody who uses the gateway.
type User struct {
	ID, Name  string
	CreatedAt time.Time
}

// User is nil where there is no such user.
func (s *Services) User(ctx context.Context, id string) (*User, error) {
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.UserReply, error) {
		return host.GetUser(ctx, &pb.UserId{Id: id}, trailing(told))
	})
	if err != nil || reply.User == nil {
		return nil, err
	}
	return &User{ID: reply.User.Id, Name: reply.User.GetName(), CreatedAt: moment(reply.User.CreatedAt)}, nil
}

// Preferences are what is known of what a user prefers.
func (s *Services) Preferences(ctx context.Context, id string) (map[string]any, error) {
	reply, err := ask(ctx, s, func(ctx context.Context, host pb.HostClient, told *trailer) (*pb.Preferences, error) {
		return host.GetPreferences(ctx, &pb.UserId{Id: id}, trailing(told))
	})
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	if len(reply.ValuesJson) == 0 {
		return found, nil
	}
	return found, json.Unmarshal(reply.ValuesJson, &found)
}
