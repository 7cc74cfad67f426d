package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// fault is an error in the words of hosts.
type fault struct {
	status    int
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	Transient bool           `json:"transient"`
	Details   map[string]any `json:"details,omitempty"`
}

func (f *fault) Error() string {
	return f.Message
}

var transient = []string{"rate_limit_exceeded", "provider_unavailable", "timeout"}

// What each status of the server is called here.
var codes = map[int]string{
	http.StatusUnauthorized:        "authentication_failed",
	http.StatusPaymentRequired:     "quota_exceeded",
	http.StatusForbidden:           "authentication_failed",
	http.StatusNotFound:            "model_not_found",
	http.StatusRequestTimeout:      "timeout",
	http.StatusTooManyRequests:     "rate_limit_exceeded",
	http.StatusInternalServerError: "provider_unavailable",
	http.StatusBadGateway:          "provider_unavailable",
	http.StatusServiceUnavailable:  "provider_unavailable",
	http.StatusGatewayTimeout:      "timeout",
}

func refuse(status int, code, message string) *fault {
	return &fault{status: status, Code: code, Message: message, Transient: slices.Contains(transient, code)}
}

func asFault(err error) *fault {
	if told, ok := err.(*fault); ok {
		return told
	}
	return refuse(http.StatusInternalServerError, "internal_error", err.Error())
}

// readRefusal keeps the server's own words.
func readRefusal(answer *http.Response) *fault {
	var told struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	message := fmt.Sprintf("the server answered %d", answer.StatusCode)
	if json.NewDecoder(answer.Body).Decode(&told) == nil && told.Error.Message != "" {
		message = told.Error.Message
	}
	code, known := codes[answer.StatusCode]
	if !known {
		code = "invalid_request"
	}
	refused := refuse(answer.StatusCode, code, message)
	refused.Details = map[string]any{"status_code": answer.StatusCode}
	if wait, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
		refused.Details["retry_after"] = wait
	}
	return refused
}
