package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const completion = `{"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
	"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
	"usage": {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}}`

// world is the relay with a server behind it that answers as each test says.
type world struct {
	*testing.T
	url    string
	status int
	kind   string
	body   string
	asked  map[string]any
	key    string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, status: http.StatusOK, kind: "application/json", body: "{}"}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			io.WriteString(out, `{"data": []}`)
			return
		}
		w.key = req.Header.Get("Authorization")
		json.NewDecoder(req.Body).Decode(&w.asked)
		out.Header().Set("Content-Type", w.kind)
		out.Header().Set("Retry-After", "7")
		out.WriteHeader(w.status)
		io.WriteString(out, w.body)
	}))
	t.Cleanup(server.Close)
	relay := httptest.NewServer(newRelay())
	t.Cleanup(relay.Close)
	w.url = relay.URL
	if status, told := w.post("/initialize", map[string]any{"api_key": "sk-test", "endpoint": server.URL + "/v1/"}); status != 200 {
		t.Fatalf("not initialized: %d %s", status, told)
	}
	return w
}

func (w *world) post(path string, body any) (int, string) {
	w.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	answer, err := http.Post(w.url+path, "application/json", bytes.NewReader(sent))
	if err != nil {
		w.Fatal(err)
	}
	return w.read(answer)
}

func (w *world) get(path string) (int, string) {
	w.Helper()
	answer, err := http.Get(w.url + path)
	if err != nil {
		w.Fatal(err)
	}
	return w.read(answer)
}

func (w *world) read(answer *http.Response) (int, string) {
	defer answer.Body.Close()
	told, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer.StatusCode, string(told)
}

func (w *world) ask(stream bool) (int, string) {
	w.Helper()
	messages := []map[string]string{{"role": "user", "content": "Hello!"}}
	return w.post("/chat/completions", map[string]any{"model": "gpt-4o-mini", "messages": messages, "stream": stream})
}

func decode(t *testing.T, text string) (found map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return found
}

func TestItHasANameAndIsHealthyWhileTheServerAnswers(t *testing.T) {
	w := newWorld(t)
	_, told := w.get("/metadata")
	if found := decode(t, told); found["name"] != "Relay in Go" || found["provider_type"] != "relay-go" {
		t.Error(told)
	}
	if _, told := w.get("/health"); decode(t, told)["healthy"] != true {
		t.Error(told)
	}
}

func TestItPassesOnWhatItIsAskedAndTellsWhatThatCost(t *testing.T) {
	w := newWorld(t)
	w.body = completion
	status, told := w.ask(false)
	if status != 200 || w.key != "Bearer sk-test" || w.asked["model"] != "gpt-4o-mini" {
		t.Error(status, w.key, w.asked)
	}
	usage := decode(t, told)["usage"].(map[string]any)
	if cost, _ := usage["cost_usd"].(float64); math.Abs(cost-18*0.3/1e6) > 1e-12 {
		t.Error(told)
	}
}

func TestItStreams(t *testing.T) {
	w := newWorld(t)
	w.kind = "text/event-stream"
	w.body = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"Hi\"}}]}\n\ndata: [DONE]\n\n"
	if status, told := w.ask(true); status != 200 || told != w.body {
		t.Error(status, told)
	}
}

func TestRefusalsOfTheServerAreToldByCode(t *testing.T) {
	w := newWorld(t)
	w.body = `{"error": {"message": "No."}}`
	for _, wanted := range []struct {
		status    int
		code      string
		transient bool
	}{
		{401, "authentication_failed", false},
		{404, "model_not_found", false},
		{429, "rate_limit_exceeded", true},
		{400, "invalid_request", false},
		{503, "provider_unavailable", true},
	} {
		w.status = wanted.status
		status, told := w.ask(false)
		found := decode(t, told)
		details := found["details"].(map[string]any)
		if status != wanted.status || found["code"] != wanted.code || found["transient"] != wanted.transient {
			t.Error(status, told)
		}
		if found["message"] != "No." || details["retry_after"] != 7.0 {
			t.Error(told)
		}
	}
}

func TestAWrongConfigIsRefusedWhole(t *testing.T) {
	w := newWorld(t)
	status, told := w.post("/initialize", map[string]any{"endpoint": "nowhere", "timeout": 0})
	if status != 400 || decode(t, told)["code"] != "invalid_request" {
		t.Error(status, told)
	}
	for _, name := range []string{"api_key", "endpoint", "timeout"} {
		if !strings.Contains(told, name) {
			t.Errorf("%s is not in %s", name, told)
		}
	}
}

func TestWhatItDoesNotKnowIsRefusedWithACode(t *testing.T) {
	w := newWorld(t)
	if status, told := w.get("/elsewhere"); status != 404 || decode(t, told)["code"] != "invalid_request" {
		t.Error(status, told)
	}
}
