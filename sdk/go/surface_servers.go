package jackfield

import (
	"context"
	"slices"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func describeSurfaces(made Plugin, told *pb.Description) {
	if hooker, ok := made.(ObjectHooker); ok {
		for _, one := range hooker.ObjectHooks() {
			told.ObjectHooks = append(told.ObjectHooks, &pb.ObjectHook{
				Object: one.Object, Moments: one.Moments, Priority: one.Priority,
			})
		}
	}
	if receiver, ok := made.(PayloadReceiver); ok {
		for _, one := range receiver.Receivers() {
			told.Receivers = append(told.Receivers, &pb.Receiver{Name: one.Name})
		}
	}
	if provider, ok := made.(PageProvider); ok {
		for _, one := range provider.Pages() {
			told.Pages = append(told.Pages, &pb.Page{
				Id: one.ID, Title: one.Title, Audience: one.Audience, Entry: one.Entry, Icon: one.Icon, Groups: one.Groups,
			})
		}
	}
	if provider, ok := made.(AgentProvider); ok {
		for _, one := range provider.Agents() {
			if one.Answer != nil {
				told.Agents = append(told.Agents, writeAgent(one))
			}
		}
	}
}

type agentServer struct{ *server }

func (s agentServer) Answer(request *pb.AgentMessage, stream grpc.ServerStreamingServer[pb.AgentEvent]) error {
	provider, ok := s.plugin.(AgentProvider)
	if !ok {
		return status.Error(codes.Unimplemented, "the plugin has no agents")
	}
	for _, one := range provider.Agents() {
		if one.ID == request.Agent && one.Answer != nil {
			message := &AgentMessage{Agent: request.Agent, Request: orNothing(request.RequestJson), Caller: readCaller(request.Caller)}
			return one.Answer(s.context(stream.Context()), message, func(event any) error {
				data, err := encode(event)
				if err != nil {
					return err
				}
				return stream.Send(&pb.AgentEvent{EventJson: data})
			})
		}
	}
	return status.Errorf(codes.NotFound, "there is no agent %s", request.Agent)
}

type objectServer struct{ *server }

func (s objectServer) Handle(ctx context.Context, request *pb.ObjectCall) (*pb.ObjectOutcome, error) {
	hooker, ok := s.plugin.(ObjectHooker)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the plugin has no object hooks")
	}
	for _, one := range hooker.ObjectHooks() {
		if one.Object == request.Object && slices.Contains(one.Moments, request.Moment) {
			return handleObject(s.context(ctx), one, request)
		}
	}
	return &pb.ObjectOutcome{}, nil
}

func handleObject(ctx *Context, hook ObjectHook, request *pb.ObjectCall) (*pb.ObjectOutcome, error) {
	call := &ObjectCall{
		Object: request.Object, Moment: request.Moment, Operation: request.Operation, User: request.GetUser(),
		Value: orNothing(request.ValueJson), Before: orNothing(request.BeforeJson),
	}
	outcome, err := hook.Handle(ctx, call)
	if err != nil || outcome == nil {
		return &pb.ObjectOutcome{}, err
	}
	told := &pb.ObjectOutcome{Refusal: optional(outcome.Refusal), Message: outcome.Message}
	if outcome.Value != nil {
		told.ValueJson, err = encode(outcome.Value)
	}
	return told, err
}

func (s *server) Accept(ctx context.Context, request *pb.Payload) (*pb.Empty, error) {
	receiver, ok := s.plugin.(PayloadReceiver)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the plugin receives nothing")
	}
	for _, one := range receiver.Receivers() {
		if one.Name == request.Receiver {
			return &pb.Empty{}, one.Accept(s.context(ctx), &Payload{
				ID: request.Id, Edge: request.Edge, Namespace: request.Namespace, Correlation: request.Correlation,
				Data: request.Payload, Metadata: request.Metadata,
				SentAt: moment(request.SentAt), ReceivedAt: moment(request.ReceivedAt),
			})
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no receiver %s", request.Receiver)
}

type pageServer struct{ *server }

func (s pageServer) Asset(ctx context.Context, request *pb.AssetRequest) (*pb.AssetReply, error) {
	provider, ok := s.plugin.(PageProvider)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the plugin has no pages")
	}
	content, kind, err := provider.Asset(s.context(ctx), request.Path)
	return &pb.AssetReply{Content: content, MediaType: kind}, err
}

func (s pageServer) Call(ctx context.Context, request *pb.PageCall) (*pb.PageReply, error) {
	provider, ok := s.plugin.(PageProvider)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "the plugin has no pages")
	}
	payload, caller := orNothing(request.PayloadJson), readCaller(request.Caller)
	answer, err := provider.CallPage(s.context(ctx), request.Page, request.Method, payload, caller)
	if err != nil {
		return nil, err
	}
	data, err := encode(answer)
	return &pb.PageReply{PayloadJson: data}, err
}
