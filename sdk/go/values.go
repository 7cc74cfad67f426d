package jackfield

import (
	"encoding/json"
	"math"
	"time"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
)

func trailing(told *trailer) grpc.CallOption { return grpc.Trailer(told) }

func seconds(duration time.Duration) *float64 {
	if duration <= 0 {
		return nil
	}
	found := duration.Seconds()
	return &found
}

func moment(at float64) time.Time {
	whole, part := math.Modf(at)
	return time.Unix(int64(whole), int64(part*float64(time.Second))).UTC()
}

func readHeaders(told []*pb.Header) Headers {
	headers := make(Headers, len(told))
	for at, header := range told {
		headers[at] = [2]string{header.Name, header.Value}
	}
	return headers
}

func readCaller(told *pb.Caller) *Caller {
	if told == nil {
		return nil
	}
	return &Caller{
		User: told.GetUser(), App: told.GetApp(), Credential: told.GetCredential(),
		Conversation: told.GetConversation(), Request: told.GetRequest(), Models: told.Models, Depth: told.Depth,
	}
}

func healthOf(problem error) *pb.Healthy {
	if problem == nil {
		return &pb.Healthy{Ok: true}
	}
	return &pb.Healthy{Detail: problem.Error()}
}

func writeTool(tool Tool) *pb.ToolSpec {
	return &pb.ToolSpec{
		Name: tool.Name, Description: tool.Description, InputSchemaJson: tool.InputSchema,
		TimeoutS: tool.Timeout.Seconds(),
	}
}

func writeTask(task Task) *pb.TaskSpec {
	told := &pb.TaskSpec{Name: task.Name, Timezone: task.Timezone}
	if task.Cron != "" {
		told.When = &pb.TaskSpec_Cron{Cron: task.Cron}
	} else {
		told.When = &pb.TaskSpec_EveryS{EveryS: task.Every.Seconds()}
	}
	return told
}

func writeAgent(agent Agent) *pb.AgentSpec {
	return &pb.AgentSpec{
		Id: agent.ID, Description: agent.Description, Model: agent.Model, Instructions: agent.Instructions,
		Tools: agent.Tools, MaxTurns: agent.MaxTurns,
	}
}

func writeHook(point Point, options HookOptions) *pb.Hook {
	told := &pb.Hook{
		Point: string(point), Name: string(point), OnFailure: policyOf(point, options), Priority: options.Priority,
		Edits: options.Edits, ReplacesRecord: options.ReplacesRecord, SeesAnswer: options.SeesAnswer,
		LookBehind: options.LookBehind, Hold: options.Hold, Operations: options.Operations,
		Before: options.Before, After: options.After,
	}
	if milliseconds := uint32(options.Timeout.Milliseconds()); milliseconds > 0 {
		told.TimeoutMs = &milliseconds
	}
	return told
}

// policyOf leaves it to the gateway where the point has no choice.
func policyOf(point Point, options HookOptions) string {
	switch point {
	case Ingress, Auth, Routing, Attempt, Background:
		return ""
	}
	if options.FailOpen {
		return "open"
	}
	return "closed"
}

func orNothing(data []byte) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	return data
}
