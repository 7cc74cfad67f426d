package jackfield

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// everything has one of each capability.
type everything struct {
	Base
	ready int
	load  error
}

func newEverything() *everything {
	return &everything{Base: NewBase(Info{ID: "everything", Version: "1.0.0"})}
}

func (p *everything) ConfigSchema() json.RawMessage { return json.RawMessage(`{"type": "object"}`) }

func (p *everything) Configure(given json.RawMessage) (any, error) {
	if string(given) == `{"colour":"red"}` {
		return nil, &ConfigError{Field: "colour", Message: "must not be red"}
	}
	return map[string]string{"colour": "green"}, nil
}

func (p *everything) OnLoad(*Context) error { return p.load }

func (p *everything) OnSessionReady(ctx *Context) {
	if _, err := ctx.Services.KV().Increment(ctx, "ready", 1, 0); err == nil {
		p.ready++
	}
}

func (p *everything) PostAuth(ctx *Context, exchange *Exchange) (Outcome, error) {
	*Local(exchange, func() *string { return new(string) }) = exchange.LastUserText()
	if exchange.LastUserText() == "HELP" {
		return Reject{Status: 429, Code: "no_shouting", Message: "Please do not shout.", RetryAfter: 3 * time.Second}, nil
	}
	_, err := ctx.Services.KV().Increment(ctx, "count", 1, time.Minute)
	return nil, err
}

func (p *everything) ResponseHead(_ *Context, exchange *Exchange) (Outcome, error) {
	text := *Local(exchange, func() *string { return new(string) })
	return ReplaceHead{Head{Status: 200, Headers: exchange.Head.Headers.With("X-Text", text)}}, nil
}

func (p *everything) HookOptions() map[Point]HookOptions {
	return map[Point]HookOptions{ResponseHead: {FailOpen: true, Timeout: 250 * time.Millisecond}}
}

func (p *everything) Complete(*Context, *ProviderCall) (any, error) {
	return nil, &UpstreamError{Kind: "rejected", Message: "no", Status: 503}
}

func (p *everything) Stream(_ *Context, _ *ProviderCall, send func(any) error) error {
	if err := send(map[string]string{"is": "stream_end"}); err != nil {
		return err
	}
	return errors.New("broken off")
}

func (p *everything) Tools() []Tool {
	return []Tool{{Name: "double", Run: func(_ *Context, call *ToolCall) (any, error) {
		var given struct{ Number int }
		if err := json.Unmarshal(call.Arguments, &given); err != nil {
			return nil, err
		}
		return given.Number * 2, call.Progress(0.5, "half")
	}}}
}

func (p *everything) Endpoints() []Endpoint {
	return []Endpoint{{Path: "/panic", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("spilled")
	})}, {Path: "/hello/{name}", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Query", r.URL.RawQuery)
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.URL.Path + " " + r.PathValue("name") + " " + CallerOf(r.Context()).App))
	})}}
}

// fakeHost answers increments, and tells for which call it was asked.
type fakeHost struct {
	pb.UnimplementedHostServer
	calls chan string
}

func (h *fakeHost) KvIncrement(ctx context.Context, request *pb.KvIncrementRequest) (*pb.KvCount, error) {
	told, _ := metadata.FromIncomingContext(ctx)
	id := "nobody"
	if ids := told.Get(callKey); len(ids) > 0 {
		id = ids[0]
	}
	h.calls <- request.Key + " for " + id
	if request.Key == "denied" {
		_ = grpc.SetTrailer(ctx, metadata.Pairs(codeKey, "not_granted"))
		return nil, status.Error(7, "no permission")
	}
	return &pb.KvCount{Value: 1}, nil
}

type world struct {
	*testing.T
	made       *everything
	host       *fakeHost
	connection *grpc.ClientConn
	ctx        context.Context
}

// begin is a plugin behind go-plugin's own test connection, with a host at its broker.
func begin(t *testing.T) *world {
	t.Helper()
	made, host := newEverything(), &fakeHost{calls: make(chan string, 100)}
	client, _ := goplugin.TestPluginGRPCConn(t, false, Plugins(made))
	t.Cleanup(func() { _ = client.Close() })
	raw, err := client.Dispense(PluginName)
	if err != nil {
		t.Fatal(err)
	}
	found := raw.(*Client)
	go found.Broker.AcceptAndServe(1, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		pb.RegisterHostServer(server, host)
		return server
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	w := &world{T: t, made: made, host: host, connection: found.Connection, ctx: ctx}
	if _, err := w.plugin().OpenSession(ctx, &pb.OpenSessionRequest{BrokerId: 1}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) plugin() pb.PluginClient { return pb.NewPluginClient(w.connection) }

func (w *world) loaded() *world {
	w.Helper()
	if _, err := w.plugin().Load(w.ctx, &pb.LoadRequest{Id: "everything", ConfigJson: []byte(`{}`)}); err != nil {
		w.Fatal(err)
	}
	return w
}

func (w *world) expect(call string) {
	w.Helper()
	select {
	case found := <-w.host.calls:
		if found != call {
			w.Fatalf("asked %q, not %q", found, call)
		}
	case <-w.ctx.Done():
		w.Fatalf("never asked %q", call)
	}
}

func TestItDescribesWhatItHas(t *testing.T) {
	told, err := begin(t).plugin().Describe(context.Background(), &pb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if len(told.Hooks) != 2 || told.Hooks[0].OnFailure != "closed" || told.Hooks[1].OnFailure != "open" ||
		told.Hooks[1].GetTimeoutMs() != 250 || told.Serves[0] != "chat" {
		t.Fatalf("%+v", told)
	}
}

func TestSessionReadyIsToldOnceWithServicesThatWork(t *testing.T) {
	w := begin(t).loaded().loaded()
	w.expect("ready for nobody")
	if w.made.ready != 1 {
		t.Fatalf("told %d times", w.made.ready)
	}
}

func TestAConfigThatIsWrongNamesItsField(t *testing.T) {
	w := begin(t)
	_, err := w.plugin().Load(w.ctx, &pb.LoadRequest{Id: "p", ConfigJson: []byte(`{"colour":"red"}`)})
	if status.Convert(err).Message() != "plugins.config.p.colour: must not be red" {
		t.Fatal(err)
	}
}

func call(exchange, text string) *pb.HookCall {
	request := `{"request":{"is":"chat_request","model":"m","messages":[{"is":"message","role":"user",` +
		`"parts":[{"is":"text","text":"` + text + `"}]}]},"head":{"status":200,"headers":[["a","b"]]}}`
	opening := `{"id":"` + exchange + `","at":1.5,"inbound":{"method":"POST","headers":[],"body":""}}`
	return &pb.HookCall{Name: "pre_flight", Exchange: exchange, OpeningJson: []byte(opening), SeenJson: []byte(request)}
}

func TestAHookKnowsItsExchangeUntilItIsOver(t *testing.T) {
	w := begin(t).loaded()
	w.expect("ready for nobody")
	hooks := pb.NewHooksClient(w.connection)
	ctx := metadata.AppendToOutgoingContext(w.ctx, callKey, "17")
	if _, err := hooks.Handle(ctx, call("e1", "hello")); err != nil {
		t.Fatal(err)
	}
	w.expect("count for 17")
	later := call("e1", "")
	later.Name, later.OpeningJson = "response_head", nil
	outcome, err := hooks.Handle(w.ctx, later)
	if err != nil {
		t.Fatal(err)
	}
	headers := outcome.GetReplace().GetHead().GetHeaders()
	if len(headers) != 2 || headers[1].Name != "x-text" || headers[1].Value != "hello" {
		t.Fatalf("%v", headers)
	}
	if _, err := hooks.End(w.ctx, &pb.ExchangeEnd{Exchange: "e1"}); err != nil {
		t.Fatal(err)
	}
	var told metadata.MD
	if _, err := hooks.Handle(w.ctx, later, grpc.Trailer(&told)); err == nil || told.Get(codeKey)[0] != unknownExchange {
		t.Fatalf("%v %v", err, told)
	}
}

func TestChunksMayComeInOneStream(t *testing.T) {
	w := begin(t).loaded()
	stream, err := pb.NewHooksClient(w.connection).HandleChunks(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(call("e1", "HELP")); err != nil {
			t.Fatal(err)
		}
		outcome, err := stream.Recv()
		if err != nil || outcome.GetReject().GetStatus() != 429 || outcome.GetReject().GetRetryAfterS() != 3 {
			t.Fatalf("%v %v", outcome, err)
		}
	}
}

func TestHooksOfManyExchangesGoOverOneStream(t *testing.T) {
	w := begin(t).loaded()
	w.expect("ready for nobody")
	stream, err := pb.NewHooksClient(w.connection).Converse(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	unknown := call("e2", "")
	unknown.OpeningJson = nil
	strange := call("e3", "")
	strange.Name = "strange"
	sent := map[string]*pb.HookCall{"1": call("e1", "HELP"), "2": unknown, "3": strange}
	for number, hook := range sent {
		if err := stream.Send(&pb.HookRequest{Call: number, Kind: &pb.HookRequest_Hook{Hook: hook}}); err != nil {
			t.Fatal(err)
		}
	}
	replies := map[string]*pb.HookReply{}
	for range sent {
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		replies[reply.Call] = reply
	}
	if replies["1"].GetOutcome().GetReject().GetStatus() != 429 {
		t.Fatalf("%v", replies["1"])
	}
	if replies["2"].GetFailure().GetCode() != unknownExchange {
		t.Fatalf("%v", replies["2"])
	}
	if told := replies["3"].GetFailure(); told.GetCode() != "not_found" || told.Message != "there is no hook strange" {
		t.Fatalf("%v", told)
	}
}

func TestAHookOverTheStreamRunsForItsCallAndUntilItIsCancelled(t *testing.T) {
	w := begin(t).loaded()
	w.expect("ready for nobody")
	stream, err := pb.NewHooksClient(w.connection).Converse(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	send := func(request *pb.HookRequest) {
		t.Helper()
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
	}
	send(&pb.HookRequest{Call: "17", Kind: &pb.HookRequest_Hook{Hook: call("e1", "hello")}})
	w.expect("count for 17")
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	send(&pb.HookRequest{Kind: &pb.HookRequest_End{End: &pb.ExchangeEnd{Exchange: "e1"}}})
	later := call("e1", "")
	later.OpeningJson = nil
	send(&pb.HookRequest{Call: "18", Kind: &pb.HookRequest_Cancelled{Cancelled: &pb.Empty{}}})
	send(&pb.HookRequest{Call: "19", Kind: &pb.HookRequest_Hook{Hook: later}})
	reply, err := stream.Recv()
	if err != nil || reply.GetFailure().GetCode() != unknownExchange {
		t.Fatalf("%v %v", reply, err)
	}
}

func TestWhatIsCancelledEndsForItsHookToo(t *testing.T) {
	w := begin(t)
	ctx, cancel := context.WithCancel(w.ctx)
	talk := &conversation{stream: idleStream{ctx: ctx}, running: map[string]context.CancelFunc{}}
	one, other := talk.begin("1"), talk.begin("2")
	talk.end("1")
	if one.Err() == nil || other.Err() != nil || len(talk.running) != 1 {
		t.Fatalf("%v %v %v", one.Err(), other.Err(), talk.running)
	}
	cancel()
	if <-other.Done(); other.Err() == nil {
		t.Fatal("the stream is over, and it runs on")
	}
}

type idleStream struct {
	pb.Hooks_ConverseServer
	ctx context.Context
}

func (s idleStream) Context() context.Context { return s.ctx }

func TestWhatAServiceRefusesHasItsCode(t *testing.T) {
	w := begin(t)
	host := pb.NewHostClient(serveHost(t, w.host))
	services := &Services{host: func() pb.HostClient { return host }, registry: newRegistry()}
	_, err := services.KV().Increment(w.ctx, "denied", 1, 0)
	var refused *ServiceError
	if !errors.As(err, &refused) || refused.Code != "not_granted" || refused.Message != "no permission" {
		t.Fatalf("%v", err)
	}
	none := &Services{host: func() pb.HostClient { return nil }}
	if _, err := none.KV().List(w.ctx, ""); !errors.Is(err, ErrNoServices) {
		t.Fatalf("%v", err)
	}
}

func serveHost(t *testing.T, host *fakeHost) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterHostServer(server, host)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return dialPlainly(t, listener.Addr().String())
}

func TestAToolTellsItsProgress(t *testing.T) {
	w := begin(t).loaded()
	asked := &pb.ToolCall{Name: "double", ArgumentsJson: []byte(`{"number": 21}`), Listened: true}
	stream, err := pb.NewToolsClient(w.connection).Call(w.ctx, asked)
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil || first.GetProgress().GetFraction() != 0.5 {
		t.Fatalf("%v %v", first, err)
	}
	second, err := stream.Recv()
	if err != nil || string(second.GetReply().GetResultJson()) != "42" || !second.GetReply().GetSuccess() {
		t.Fatalf("%v %v", second, err)
	}
}

func TestWhatAnUpstreamDidWrongIsAnAnswer(t *testing.T) {
	w := begin(t).loaded()
	provider := pb.NewProviderClient(w.connection)
	reply, err := provider.Complete(w.ctx, &pb.ProviderCall{})
	if err != nil || reply.GetFailure().GetStatus() != 503 || !reply.GetFailure().GetSent() {
		t.Fatalf("%v %v", reply, err)
	}
	stream, err := provider.Stream(w.ctx, &pb.ProviderCall{})
	if err != nil {
		t.Fatal(err)
	}
	if event, err := stream.Recv(); err != nil || string(event.GetValueJson()) != `{"is":"stream_end"}` {
		t.Fatalf("%v %v", event, err)
	}
	if _, err := stream.Recv(); status.Convert(err).Message() != "broken off" {
		t.Fatal(err)
	}
}

func (w *world) ask(request *pb.EndpointRequest) grpc.ServerStreamingClient[pb.EndpointReply] {
	stream, err := pb.NewEndpointsClient(w.connection).Serve(w.ctx, request)
	if err != nil {
		w.Fatal(err)
	}
	return stream
}

func TestAnEndpointIsAnHTTPHandler(t *testing.T) {
	w := begin(t).loaded()
	app := "shop"
	stream := w.ask(&pb.EndpointRequest{
		Endpoint: "/hello/{name}", Method: "GET", Base: "/plugins/everything", Path: "/plugins/everything/hello/you",
		Query: []byte("a=b"), Parameters: map[string]string{"name": "you"}, Caller: &pb.Caller{App: &app},
	})
	head, err := stream.Recv()
	if err != nil || head.Status != http.StatusTeapot || head.Headers[0].Value != "a=b" {
		t.Fatalf("%v %v", head, err)
	}
	body, err := stream.Recv()
	if err != nil || string(body.Body) != "/hello/you you shop" {
		t.Fatalf("%v %v", body, err)
	}
}

func TestWhatAHandlerRaisesIsTheEndOfItsOwnRequest(t *testing.T) {
	w := begin(t).loaded()
	for path, words := range map[string]string{
		"/panic": "the handler panicked: spilled",
		"/nope":  "there is no endpoint GET /nope",
	} {
		_, err := w.ask(&pb.EndpointRequest{Endpoint: path, Method: "GET", Path: path}).Recv()
		if status.Convert(err).Message() != words {
			t.Fatal(err)
		}
	}
}
