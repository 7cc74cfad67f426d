package jackfield

import (
	"encoding/json"
	"fmt"
	"time"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
)

// Outcome is what a hook answers: nil to go on unchanged, or one of Reject, Replace…, Answer, Drop and Identity.
type Outcome interface{ write() (*pb.Outcome, error) }

// Reject ends the exchange with an error in the format of the API that was called. Status is 400 to 599.
type Reject struct {
	Status        uint32
	Code, Message string
	RetryAfter    time.Duration
}

func (r Reject) write() (*pb.Outcome, error) {
	told := &pb.Reject{Status: r.Status, Code: r.Code, Message: r.Message}
	if r.RetryAfter > 0 {
		seconds := r.RetryAfter.Seconds()
		told.RetryAfterS = &seconds
	}
	return &pb.Outcome{Kind: &pb.Outcome_Reject{Reject: told}}, nil
}

// Answer answers the client without an upstream being asked. Response is canonical.
type Answer struct{ Response any }

func (a Answer) write() (*pb.Outcome, error) {
	data, err := encode(a.Response)
	if err != nil {
		return nil, err
	}
	return &pb.Outcome{Kind: &pb.Outcome_Answer{Answer: &pb.Answer{ResponseJson: data}}}, nil
}

// Drop leaves this event of a stream out.
type Drop struct{}

func (Drop) write() (*pb.Outcome, error) { return &pb.Outcome{Kind: &pb.Outcome_Drop{}}, nil }

// Identity is who calls. Credential is a stable id, never the secret; without Models everything may be asked for.
type Identity struct {
	User       string          `json:"user"`
	App        string          `json:"app"`
	Credential string          `json:"credential"`
	Namespace  string          `json:"namespace"`
	Role       string          `json:"role"`
	Models     []string        `json:"models"`
	Claims     json.RawMessage `json:"claims"`
}

func (i Identity) write() (*pb.Outcome, error) {
	told := &pb.Identity{
		User: optional(i.User), App: optional(i.App), Credential: optional(i.Credential),
		Namespace: i.Namespace, Role: i.Role, Models: i.Models, ClaimsJson: i.Claims,
	}
	return &pb.Outcome{Kind: &pb.Outcome_Identity{Identity: told}}, nil
}

// ReplaceInbound goes on with another request at ingress.
type ReplaceInbound struct{ Inbound Inbound }

func (r ReplaceInbound) write() (*pb.Outcome, error) {
	told := r.Inbound
	return replace(&pb.Replace{Value: &pb.Replace_Inbound{Inbound: &pb.Inbound{
		Method: told.Method, Path: told.Path, Headers: writeHeaders(told.Headers),
		Body: told.Body, Query: told.Query, Client: told.Client,
	}}}), nil
}

// ReplaceRequest goes on with another canonical request at pre_flight or routing.
type ReplaceRequest struct{ Request any }

func (r ReplaceRequest) write() (*pb.Outcome, error) {
	data, err := encode(r.Request)
	return replace(&pb.Replace{Value: &pb.Replace_RequestJson{RequestJson: data}}), err
}

// ReplaceCandidates goes on with other candidates at routing.
type ReplaceCandidates []Candidate

func (r ReplaceCandidates) write() (*pb.Outcome, error) {
	data, err := encode([]Candidate(r))
	return replace(&pb.Replace{Value: &pb.Replace_CandidatesJson{CandidatesJson: data}}), err
}

// ReplaceOutgoing sends something else at attempt.
type ReplaceOutgoing struct{ Outgoing Outgoing }

func (r ReplaceOutgoing) write() (*pb.Outcome, error) {
	told := r.Outgoing
	return replace(&pb.Replace{Value: &pb.Replace_Outgoing{Outgoing: &pb.Outgoing{
		Method: told.Method, Url: told.URL, Headers: writeHeaders(told.Headers), Body: told.Body,
	}}}), nil
}

// ReplaceHead answers with another status and other headers at response_head.
type ReplaceHead struct{ Head Head }

func (r ReplaceHead) write() (*pb.Outcome, error) {
	told := &pb.Head{Status: r.Head.Status, Headers: writeHeaders(r.Head.Headers)}
	return replace(&pb.Replace{Value: &pb.Replace_Head{Head: told}}), nil
}

// ReplaceEvents sends these events in the place of one at response_chunk.
type ReplaceEvents []any

func (r ReplaceEvents) write() (*pb.Outcome, error) {
	data, err := encode([]any(r))
	return replace(&pb.Replace{Value: &pb.Replace_EventsJson{EventsJson: data}}), err
}

// ReplaceResponse answers with another canonical answer at response_body.
type ReplaceResponse struct{ Response any }

func (r ReplaceResponse) write() (*pb.Outcome, error) {
	data, err := encode(r.Response)
	return replace(&pb.Replace{Value: &pb.Replace_ResponseJson{ResponseJson: data}}), err
}

func replace(told *pb.Replace) *pb.Outcome {
	return &pb.Outcome{Kind: &pb.Outcome_Replace{Replace: told}}
}

func writeHeaders(headers Headers) []*pb.Header {
	told := make([]*pb.Header, len(headers))
	for at, pair := range headers {
		told[at] = &pb.Header{Name: pair[0], Value: pair[1]}
	}
	return told
}

func encode(value any) ([]byte, error) {
	if raw, ok := value.(json.RawMessage); ok {
		return raw, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%T is no JSON: %w", value, err)
	}
	return data, nil
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
