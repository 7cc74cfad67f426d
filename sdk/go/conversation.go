package jackfield

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// conversation is one stream of hooks.
type conversation struct {
	server hookServer
	stream grpc.BidiStreamingServer[pb.HookRequest, pb.HookReply]
	// A stream takes one message at a time.
	sending sync.Mutex
	lock    sync.Mutex
	running map[string]context.CancelFunc
}

// begin makes what the hook runs in: as for a call of its own it knows which of the gateway's calls it is.
func (c *conversation) begin(call string) context.Context {
	ctx, cancel := context.WithCancel(c.stream.Context())
	c.lock.Lock()
	defer c.lock.Unlock()
	c.running[call] = cancel
	return metadata.NewIncomingContext(ctx, metadata.Pairs(callKey, call))
}

func (c *conversation) end(call string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if cancel := c.running[call]; cancel != nil {
		cancel()
		delete(c.running, call)
	}
}

func (c *conversation) answer(ctx context.Context, call string, hook *pb.HookCall) {
	defer c.end(call)
	reply := &pb.HookReply{Call: call}
	if outcome, err := c.server.run(ctx, hook); err != nil {
		reply.Kind = &pb.HookReply_Failure{Failure: failureOf(err)}
	} else {
		reply.Kind = &pb.HookReply_Outcome{Outcome: outcome}
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	// Where it cannot be sent the stream is over, and nobody waits for it.
	_ = c.stream.Send(reply)
}

func failureOf(err error) *pb.Failure {
	if errors.Is(err, errUnknownExchange) {
		return &pb.Failure{Code: unknownExchange, Message: err.Error()}
	}
	told := status.Convert(err)
	return &pb.Failure{Code: codeName(told.Code()), Message: told.Message()}
}

// codeName is the code as the protocol's specification writes it, in small letters.
func codeName(code codes.Code) string {
	var name strings.Builder
	for at, letter := range code.String() {
		if at > 0 && unicode.IsUpper(letter) {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(letter))
	}
	return name.String()
}
