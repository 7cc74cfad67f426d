package jackfield

import (
	"context"
	"errors"
	"fmt"
	"sync"

	plugin "github.com/hashicorp/go-plugin"
	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	unknownExchange = "unknown_exchange"
	invalidConfig   = "invalid_config"
)

// server answers the gateway for one plugin.
type server struct {
	pb.UnimplementedPluginServer
	pb.UnimplementedHooksServer
	pb.UnimplementedProviderServer
	pb.UnimplementedToolsServer
	pb.UnimplementedEventsServer
	pb.UnimplementedTasksServer
	pb.UnimplementedEndpointsServer
	pb.UnimplementedAgentsServer
	pb.UnimplementedObjectHooksServer
	pb.UnimplementedReceiversServer
	pb.UnimplementedPagesServer

	plugin   Plugin
	hooks    map[Point]hookFunction
	broker   *plugin.GRPCBroker
	registry *registry
	services *Services
	// Set while it loads, before any of them is asked.
	endpoints []Endpoint

	lock       sync.Mutex
	host       pb.HostClient
	connection *grpc.ClientConn
	ready      sync.Once
}

func newServer(made Plugin, broker *plugin.GRPCBroker) *server {
	s := &server{plugin: made, hooks: hooksOf(made), broker: broker, registry: newRegistry()}
	s.registry.keeps = len(s.hooks) > 1 || s.hooks[ResponseChunk] != nil
	s.services = &Services{host: s.currentHost, registry: s.registry}
	return s
}

func (s *server) register(to *grpc.Server) {
	pb.RegisterPluginServer(to, s)
	pb.RegisterHooksServer(to, hookServer{s})
	pb.RegisterProviderServer(to, s)
	pb.RegisterToolsServer(to, toolServer{s})
	pb.RegisterEventsServer(to, s)
	pb.RegisterTasksServer(to, s)
	pb.RegisterEndpointsServer(to, endpointServer{s})
	pb.RegisterAgentsServer(to, agentServer{s})
	pb.RegisterObjectHooksServer(to, objectServer{s})
	pb.RegisterReceiversServer(to, s)
	pb.RegisterPagesServer(to, pageServer{s})
}

func (s *server) currentHost() pb.HostClient {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.host
}

// context is what the plugin's code gets: it knows which call of the gateway it runs for.
func (s *server) context(ctx context.Context) *Context {
	if told, ok := metadata.FromIncomingContext(ctx); ok {
		if ids := told.Get(callKey); len(ids) > 0 {
			ctx = context.WithValue(ctx, contextKey{}, ids[0])
		}
	}
	return &Context{Context: ctx, Services: s.services}
}

func (s *server) OpenSession(_ context.Context, request *pb.OpenSessionRequest) (*pb.Empty, error) {
	connection, err := s.dial(request)
	if err != nil {
		return nil, fmt.Errorf("the gateway's services cannot be reached: %w", err)
	}
	connection.Connect()
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.connection != nil {
		_ = s.connection.Close()
	}
	s.connection, s.host = connection, pb.NewHostClient(connection)
	return &pb.Empty{}, nil
}

// dial asks the broker, where there is one: connections of it come back by themselves when they are lost.
func (s *server) dial(request *pb.OpenSessionRequest) (*grpc.ClientConn, error) {
	if s.broker != nil {
		return s.broker.Dial(request.BrokerId)
	}
	return grpc.NewClient("unix:"+request.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func (s *server) Describe(context.Context, *pb.Empty) (*pb.Description, error) {
	manifest, err := encode(s.plugin.Info())
	if err != nil {
		return nil, err
	}
	told := &pb.Description{Protocol: 1, ManifestJson: manifest, Hooks: describeHooks(s.plugin, s.hooks), Serves: serves(s.plugin), Converses: true}
	if configurable, ok := s.plugin.(Configurable); ok {
		told.ConfigSchemaJson = configurable.ConfigSchema()
	}
	if form, ok := s.plugin.(FormProvider); ok {
		told.UiSchemaJson = form.ConfigForm()
	}
	describeSurfaces(s.plugin, told)
	return told, nil
}

func serves(made Plugin) []string {
	found := []string{}
	if _, ok := made.(Provider); ok {
		found = append(found, "chat")
	}
	if _, ok := made.(Embedder); ok {
		found = append(found, "embeddings")
	}
	return found
}

func (s *server) Load(ctx context.Context, request *pb.LoadRequest) (*pb.Loaded, error) {
	told := &pb.Loaded{}
	if configurable, ok := s.plugin.(Configurable); ok {
		made, err := configurable.Configure(orNothing(request.ConfigJson))
		if err != nil {
			return nil, refuseConfig(ctx, request.Id, err)
		}
		if told.ConfigJson, err = encode(made); err != nil {
			return nil, err
		}
	}
	own := s.context(ctx)
	if err := s.plugin.OnLoad(own); err != nil {
		return nil, err
	}
	s.enlist(told)
	s.openEndpoints(told)
	s.ready.Do(func() {
		if aware, ok := s.plugin.(SessionAware); ok {
			aware.OnSessionReady(own)
		}
	})
	return told, nil
}

// refuseConfig says which field it is in the words in which the gateway names fields.
func refuseConfig(ctx context.Context, id string, err error) error {
	_ = grpc.SetTrailer(ctx, metadata.Pairs(codeKey, invalidConfig))
	var wrong *ConfigError
	if errors.As(err, &wrong) {
		return status.Errorf(codes.InvalidArgument, "plugins.config.%s.%s: %s", id, wrong.Field, wrong.Message)
	}
	return status.Errorf(codes.InvalidArgument, "plugins.config.%s: %s", id, err)
}

func (s *server) enlist(told *pb.Loaded) {
	if provider, ok := s.plugin.(ToolProvider); ok {
		for _, tool := range provider.Tools() {
			s.registry.setTool(tool)
			told.Tools = append(told.Tools, writeTool(tool))
		}
	}
	if provider, ok := s.plugin.(TaskProvider); ok {
		for _, task := range provider.Tasks() {
			s.registry.setTask(task)
			told.Tasks = append(told.Tasks, writeTask(task))
		}
	}
	if subscriber, ok := s.plugin.(Subscriber); ok {
		for kind, handler := range subscriber.Subscriptions() {
			s.registry.setEvent(kind, handler)
			told.Subscriptions = append(told.Subscriptions, kind)
		}
	}
	if provider, ok := s.plugin.(AgentProvider); ok {
		for _, agent := range provider.Agents() {
			if agent.Answer == nil {
				told.Agents = append(told.Agents, writeAgent(agent))
			}
		}
	}
}

func (s *server) Enable(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	return &pb.Empty{}, s.plugin.OnEnable(s.context(ctx))
}

func (s *server) Health(ctx context.Context, _ *pb.Empty) (*pb.Healthy, error) {
	return healthOf(s.plugin.Health(s.context(ctx))), nil
}

func (s *server) Disable(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	return &pb.Empty{}, s.plugin.OnDisable(s.context(ctx))
}

func (s *server) Unload(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	return &pb.Empty{}, s.plugin.OnUnload(s.context(ctx))
}

func (s *server) Complete(ctx context.Context, request *pb.ProviderCall) (*pb.ProviderReply, error) {
	provider, ok := s.plugin.(Provider)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the plugin serves no chats")
	}
	return reply(provider.Complete(s.context(ctx), readProviderCall(request)))
}

func (s *server) Embed(ctx context.Context, request *pb.ProviderCall) (*pb.ProviderReply, error) {
	embedder, ok := s.plugin.(Embedder)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the plugin serves no embeddings")
	}
	return reply(embedder.Embed(s.context(ctx), readProviderCall(request)))
}

func (s *server) Stream(request *pb.ProviderCall, stream grpc.ServerStreamingServer[pb.ProviderReply]) error {
	provider, ok := s.plugin.(Provider)
	if !ok {
		return status.Error(codes.Unimplemented, "the plugin serves no chats")
	}
	send := func(event any) error {
		data, err := encode(event)
		if err != nil {
			return err
		}
		return stream.Send(&pb.ProviderReply{Kind: &pb.ProviderReply_ValueJson{ValueJson: data}})
	}
	err := provider.Stream(s.context(stream.Context()), readProviderCall(request), send)
	var failed *UpstreamError
	if errors.As(err, &failed) {
		return stream.Send(writeFailure(failed))
	}
	return err
}

func readProviderCall(request *pb.ProviderCall) *ProviderCall {
	upstream := request.GetUpstream()
	return &ProviderCall{
		Request: orNothing(request.RequestJson), Caller: readCaller(request.Caller),
		Upstream: Upstream{Name: upstream.GetName(), BaseURL: upstream.GetBaseUrl(), Options: orNothing(upstream.GetOptionsJson())},
	}
}

func reply(value any, err error) (*pb.ProviderReply, error) {
	var failed *UpstreamError
	if errors.As(err, &failed) {
		return writeFailure(failed), nil
	}
	if err != nil {
		return nil, err
	}
	data, err := encode(value)
	return &pb.ProviderReply{Kind: &pb.ProviderReply_ValueJson{ValueJson: data}}, err
}

func writeFailure(failed *UpstreamError) *pb.ProviderReply {
	kind := failed.Kind
	if kind == "" {
		kind = "error"
	}
	told := &pb.UpstreamFailure{
		Kind: kind, Message: failed.Message, Sent: !failed.NotSent, RetryAfterS: seconds(failed.RetryAfter),
		Status: failed.Status, Code: optional(failed.Code), Body: failed.Body, Format: optional(failed.Format),
	}
	return &pb.ProviderReply{Kind: &pb.ProviderReply_Failure{Failure: told}}
}

func (s *server) Tell(ctx context.Context, request *pb.Event) (*pb.EventReply, error) {
	handler := s.registry.event(request.Type)
	if handler == nil {
		return &pb.EventReply{}, nil
	}
	event := &Event{Type: request.Type, Data: orNothing(request.DataJson), Source: request.Source, At: moment(request.At)}
	refusal, err := handler(s.context(ctx), event)
	return &pb.EventReply{Refusal: optional(refusal)}, err
}

func (s *server) Run(ctx context.Context, request *pb.TaskRun) (*pb.Empty, error) {
	task, ok := s.registry.task(request.Name)
	if !ok {
		return nil, status.Errorf(codes.NotFound, "there is no task %s", request.Name)
	}
	return &pb.Empty{}, task.Run(s.context(ctx))
}

// toolServer has the method Call that pages have too.
type toolServer struct{ *server }

func (s toolServer) Call(request *pb.ToolCall, stream grpc.ServerStreamingServer[pb.ToolEvent]) error {
	tool, ok := s.registry.tool(request.Name)
	if !ok {
		return status.Errorf(codes.NotFound, "there is no tool %s", request.Name)
	}
	call := &ToolCall{ID: request.Call, Arguments: orNothing(request.ArgumentsJson), Caller: readCaller(request.Caller)}
	if request.Listened {
		call.progress = func(fraction float64, message string) error {
			told := &pb.Progress{Fraction: fraction, Message: message}
			return stream.Send(&pb.ToolEvent{Kind: &pb.ToolEvent_Progress{Progress: told}})
		}
	}
	told := &pb.ToolReply{Success: true}
	result, err := tool.Run(s.context(stream.Context()), call)
	if err == nil {
		told.ResultJson, err = encode(result)
	}
	if err != nil {
		told = &pb.ToolReply{Error: err.Error()}
	}
	return stream.Send(&pb.ToolEvent{Kind: &pb.ToolEvent_Reply{Reply: told}})
}
