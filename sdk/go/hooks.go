package jackfield

import (
	"context"
	"errors"
	"io"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type hookFunction func(ctx *Context, exchange *Exchange, event []byte) (Outcome, error)

// points in the order of an exchange.
var points = []Point{Ingress, Auth, PreFlight, Routing, Attempt, ResponseHead, ResponseChunk, ResponseBody, Background}

// errUnknownExchange asks for the opening.
var errUnknownExchange = errors.New("the exchange is not known: send its opening")

func plain(call func(*Context, *Exchange) (Outcome, error)) hookFunction {
	return func(ctx *Context, exchange *Exchange, _ []byte) (Outcome, error) { return call(ctx, exchange) }
}

func hooksOf(made Plugin) map[Point]hookFunction {
	found := map[Point]hookFunction{}
	if handler, ok := made.(PreAuth); ok {
		found[Ingress] = plain(handler.PreAuth)
	}
	if handler, ok := made.(Authenticator); ok {
		found[Auth] = plain(handler.Authenticate)
	}
	if handler, ok := made.(PostAuth); ok {
		found[PreFlight] = plain(handler.PostAuth)
	}
	if handler, ok := made.(Router); ok {
		found[Routing] = plain(handler.Route)
	}
	if handler, ok := made.(AttemptHandler); ok {
		found[Attempt] = plain(handler.Attempt)
	}
	if handler, ok := made.(HeadHandler); ok {
		found[ResponseHead] = plain(handler.ResponseHead)
	}
	if handler, ok := made.(ChunkHandler); ok {
		found[ResponseChunk] = func(ctx *Context, exchange *Exchange, event []byte) (Outcome, error) {
			return handler.ResponseChunk(ctx, exchange, event)
		}
	}
	if handler, ok := made.(BodyHandler); ok {
		found[ResponseBody] = plain(handler.ResponseBody)
	}
	if handler, ok := made.(DataCollector); ok {
		found[Background] = func(ctx *Context, exchange *Exchange, _ []byte) (Outcome, error) {
			return nil, handler.Collect(ctx, exchange)
		}
	}
	return found
}

func describeHooks(made Plugin, hooks map[Point]hookFunction) []*pb.Hook {
	options := map[Point]HookOptions{}
	if configurer, ok := made.(HookConfigurer); ok {
		options = configurer.HookOptions()
	}
	told := []*pb.Hook{}
	for _, point := range points {
		if hooks[point] != nil {
			told = append(told, writeHook(point, options[point]))
		}
	}
	return told
}

// hookServer has the method Handle that object hooks have too.
type hookServer struct{ *server }

func (s hookServer) Handle(ctx context.Context, call *pb.HookCall) (*pb.Outcome, error) {
	outcome, err := s.run(ctx, call)
	if errors.Is(err, errUnknownExchange) {
		_ = grpc.SetTrailer(ctx, metadata.Pairs(codeKey, unknownExchange))
	}
	return outcome, err
}

func (s hookServer) run(ctx context.Context, call *pb.HookCall) (*pb.Outcome, error) {
	hook := s.hooks[Point(call.Name)]
	if hook == nil {
		return nil, status.Errorf(codes.NotFound, "there is no hook %s", call.Name)
	}
	exchange, err := s.registry.open(call.Exchange, call.OpeningJson, call.SeenJson)
	if err != nil {
		return nil, err
	}
	if exchange == nil {
		return nil, errUnknownExchange
	}
	outcome, err := hook(s.context(ctx), exchange, call.EventJson)
	if err != nil || outcome == nil {
		return &pb.Outcome{}, err
	}
	return outcome.write()
}

func (s hookServer) HandleChunks(stream grpc.BidiStreamingServer[pb.HookCall, pb.Outcome]) error {
	for {
		call, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		outcome, err := s.run(stream.Context(), call)
		if err != nil {
			return err
		}
		if err := stream.Send(outcome); err != nil {
			return err
		}
	}
}

// Converse is Handle for many exchanges: each hook runs by itself, and answers when it is done.
func (s hookServer) Converse(stream grpc.BidiStreamingServer[pb.HookRequest, pb.HookReply]) error {
	talk := &conversation{server: s, stream: stream, running: map[string]context.CancelFunc{}}
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch kind := request.Kind.(type) {
		case *pb.HookRequest_Hook:
			go talk.answer(talk.begin(request.Call), request.Call, kind.Hook)
		case *pb.HookRequest_Cancelled:
			talk.end(request.Call)
		case *pb.HookRequest_End:
			s.registry.end(kind.End.Exchange)
		}
	}
}

func (s hookServer) End(_ context.Context, end *pb.ExchangeEnd) (*pb.Empty, error) {
	s.registry.end(end.Exchange)
	return &pb.Empty{}, nil
}
