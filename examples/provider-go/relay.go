package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	healthWait  = 5 * time.Second
	longestBody = 16 << 20
)

// relay is the six endpoints. Without a config it can do nothing but say so.
type relay struct {
	*http.ServeMux
	config atomic.Pointer[config]
	client http.Client
}

// endpoint writes its answer itself, or returns why there is none.
type endpoint func(http.ResponseWriter, *http.Request) error

func newRelay() *relay {
	r := &relay{ServeMux: http.NewServeMux()}
	for pattern, serve := range map[string]endpoint{
		"GET /metadata":          func(w http.ResponseWriter, _ *http.Request) error { return send(w, about) },
		"POST /initialize":       r.initialize,
		"GET /health":            r.health,
		"GET /models":            func(w http.ResponseWriter, _ *http.Request) error { return send(w, models) },
		"POST /chat/completions": r.complete,
		"POST /cleanup":          r.cleanUp,
		"/": func(_ http.ResponseWriter, req *http.Request) error {
			return refuse(http.StatusNotFound, "invalid_request", "there is no "+req.Method+" "+req.URL.Path)
		},
	} {
		r.HandleFunc(pattern, tellFaults(serve))
	}
	return r
}

// tellFaults makes every failure an error that hosts can read.
func tellFaults(serve endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		req.Body = http.MaxBytesReader(w, req.Body, longestBody)
		err := serve(w, req)
		if err == nil {
			return
		}
		told := asFault(err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(told.status)
		json.NewEncoder(w).Encode(told)
	}
}

func send(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}

func (r *relay) initialize(w http.ResponseWriter, req *http.Request) error {
	given, err := readConfig(req.Body)
	if err != nil {
		return err
	}
	r.config.Store(given)
	return send(w, struct{}{})
}

func (r *relay) cleanUp(w http.ResponseWriter, _ *http.Request) error {
	r.config.Store(nil)
	return send(w, struct{}{})
}

func (r *relay) health(w http.ResponseWriter, req *http.Request) error {
	started := time.Now()
	message := r.askServer(req.Context())
	return send(w, map[string]any{
		"healthy":    message == "OK",
		"message":    message,
		"latency_ms": time.Since(started).Milliseconds(),
		"timestamp":  time.Now().UTC().Format(time.RFC3339Nano),
	})
}

func (r *relay) askServer(ctx context.Context) string {
	held := r.config.Load()
	if held == nil {
		return "not initialized"
	}
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	answer, err := r.call(ctx, held, http.MethodGet, "/models", nil)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprintf("the server answered %d", answer.StatusCode)
	}
	return "OK"
}

func (r *relay) complete(w http.ResponseWriter, req *http.Request) error {
	held := r.config.Load()
	if held == nil {
		return refuse(http.StatusServiceUnavailable, "provider_unavailable", "not initialized: POST its config to /initialize")
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", err.Error())
	}
	var asked struct {
		Model    string          `json:"model"`
		Messages json.RawMessage `json:"messages"`
		Stream   bool            `json:"stream"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", "the body is not JSON: "+err.Error())
	}
	if asked.Model == "" || !bytes.HasPrefix(asked.Messages, []byte("[")) {
		return refuse(http.StatusBadRequest, "invalid_request", "model and messages are required")
	}
	// Whoever asked may leave: then the server is left as well.
	ctx, cancel := context.WithTimeout(req.Context(), held.wait())
	defer cancel()
	answer, err := r.call(ctx, held, http.MethodPost, "/chat/completions", body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return readRefusal(answer)
	}
	if asked.Stream {
		return passOn(w, answer.Body)
	}
	return tellCost(w, answer.Body, asked.Model)
}

func (r *relay) call(ctx context.Context, held *config, method, path string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, held.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+held.APIKey)
	request.Header.Set("Content-Type", "application/json")
	answer, err := r.client.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, refuse(http.StatusGatewayTimeout, "timeout", "the server did not answer in time")
	}
	if err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "provider_unavailable", "the server cannot be reached")
	}
	return answer, nil
}

// passOn copies a stream as it comes: each piece is sent at once.
func passOn(w http.ResponseWriter, stream io.Reader) error {
	w.Header().Set("Content-Type", "text/event-stream")
	control, piece := http.NewResponseController(w), make([]byte, 32<<10)
	for {
		read, err := stream.Read(piece)
		if read > 0 {
			if _, err := w.Write(piece[:read]); err != nil {
				return nil
			}
			control.Flush()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			// The only way left to say that this was not the end.
			panic(http.ErrAbortHandler)
		}
	}
}

// tellCost passes everything else on as it is.
func tellCost(w http.ResponseWriter, body io.Reader, model string) error {
	var completion map[string]any
	decoder := json.NewDecoder(body)
	decoder.UseNumber()
	if err := decoder.Decode(&completion); err != nil {
		return refuse(http.StatusBadGateway, "provider_unavailable", "the server answered no completion")
	}
	usage, _ := completion["usage"].(map[string]any)
	total, _ := usage["total_tokens"].(json.Number)
	price, known := priceOf(model)
	if tokens, err := total.Float64(); err == nil && known {
		usage["cost_usd"] = tokens * price / 1e6
	}
	return send(w, completion)
}
