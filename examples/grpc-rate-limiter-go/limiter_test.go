package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	jackfield "github.com/jackfield/jackfield/sdk/go"
)

// memory is a store that all limiters of a test share.
type memory struct {
	lock   sync.Mutex
	counts map[string]int64
	calls  int
	failed error
}

func (m *memory) Increment(_ context.Context, key string, by int64, _ time.Duration) (int64, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.calls++
	m.counts[key] += by
	return m.counts[key], m.failed
}

func passing(t *testing.T, limits []*limiter, times int) int {
	t.Helper()
	passed := 0
	for at := range times {
		taken, _, wait, err := limits[at%len(limits)].take(context.Background(), "app/a")
		if err != nil {
			t.Fatal(err)
		}
		if taken {
			passed++
		} else if wait <= 0 || wait > time.Minute {
			t.Fatalf("to wait %s", wait)
		}
	}
	return passed
}

func TestAsManyPassAsMayAndTheStoreIsSeldomAsked(t *testing.T) {
	store := &memory{counts: map[string]int64{}}
	now := time.Unix(1_000_000, 0)
	limit := newLimiter(store, 50, time.Minute, func() time.Time { return now })
	if passed := passing(t, []*limiter{limit}, 80); passed != 50 {
		t.Fatalf("%d passed", passed)
	}
	if store.calls > shares+1 {
		t.Fatalf("the store was asked %d times", store.calls)
	}
	now = now.Add(time.Minute)
	if passed := passing(t, []*limiter{limit}, 10); passed != 10 {
		t.Fatalf("%d passed in the next window", passed)
	}
}

func TestSeveralProcessesNeverLetMoreThrough(t *testing.T) {
	store := &memory{counts: map[string]int64{}}
	now := func() time.Time { return time.Unix(1_000_000, 0) }
	limits := []*limiter{newLimiter(store, 25, time.Minute, now), newLimiter(store, 25, time.Minute, now)}
	if passed := passing(t, limits, 100); passed != 25 {
		t.Fatalf("%d passed", passed)
	}
}

func TestAStoreThatFailsIsAnError(t *testing.T) {
	store := &memory{counts: map[string]int64{}, failed: errors.New("no store")}
	limit := newLimiter(store, 5, time.Minute, time.Now)
	if _, _, _, err := limit.take(context.Background(), "app/a"); err == nil {
		t.Fatal("it passed")
	}
}

func TestConfigIsRefusedByField(t *testing.T) {
	made := newRateLimiter()
	for given, field := range map[string]string{`{"requests": 0}`: "requests", `{"window_s": 0}`: "window_s"} {
		_, err := made.Configure(json.RawMessage(given))
		var wrong *jackfield.ConfigError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Fatalf("%s: %v", given, err)
		}
	}
	if found, err := made.Configure(nil); err != nil || found.(config).Requests != 60 {
		t.Fatalf("%v %v", found, err)
	}
}
