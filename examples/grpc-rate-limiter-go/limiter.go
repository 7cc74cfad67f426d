package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// counter is what the limiter needs of a store that every process of the plugin shares.
type counter interface {
	Increment(ctx context.Context, key string, by int64, ttl time.Duration) (int64, error)
}

// shares are how many times within a window a process asks the store for more: each time for so large a part.
const shares = 10

// limiter counts requests by app. The count is in the store; what a process took of it in advance it gives away by itself,
// so that most requests cost no call of the store, and all processes together never let more through.
type limiter struct {
	store  counter
	most   int64
	window time.Duration
	now    func() time.Time

	lock sync.Mutex
	apps map[string]*account
}

// account is one app's in the window that began at began.
type account struct {
	lock  sync.Mutex
	began int64
	own   int64
	taken int64
	spent bool
}

func newLimiter(store counter, most int64, window time.Duration, now func() time.Time) *limiter {
	return &limiter{store: store, most: most, window: window, now: now, apps: map[string]*account{}}
}

// take tells whether the request may pass, about how many more may, and else how long it is until one may.
func (l *limiter) take(ctx context.Context, app string) (bool, int64, time.Duration, error) {
	found := l.account(app)
	found.lock.Lock()
	defer found.lock.Unlock()
	now := l.now()
	began := now.Truncate(l.window)
	if found.began != began.UnixNano() {
		found.began, found.own, found.taken, found.spent = began.UnixNano(), 0, 0, false
	}
	if found.own == 0 && !found.spent {
		if err := l.ask(ctx, app, found); err != nil {
			return false, 0, 0, err
		}
	}
	if found.own == 0 {
		return false, 0, began.Add(l.window).Sub(now), nil
	}
	found.own--
	return true, max(0, l.most-found.taken) + found.own, 0, nil
}

// ask takes the next part of what is left for everybody.
func (l *limiter) ask(ctx context.Context, app string, found *account) error {
	part := max(1, l.most/shares)
	key := fmt.Sprintf("%s/%d", app, found.began/int64(l.window))
	after, err := l.store.Increment(ctx, key, part, 2*l.window)
	if err != nil {
		return err
	}
	found.taken = after
	found.own = max(0, min(part, l.most-(after-part)))
	found.spent = found.own == 0
	return nil
}

func (l *limiter) account(app string) *account {
	l.lock.Lock()
	defer l.lock.Unlock()
	found, ok := l.apps[app]
	if !ok {
		found = &account{}
		l.apps[app] = found
	}
	return found
}

// usage is how much of the window was taken, by app, as far as this process knows.
func (l *limiter) usage() map[string]int64 {
	l.lock.Lock()
	defer l.lock.Unlock()
	told := map[string]int64{}
	for app, found := range l.apps {
		found.lock.Lock()
		told[app] = min(l.most, found.taken) - found.own
		found.lock.Unlock()
	}
	return told
}
