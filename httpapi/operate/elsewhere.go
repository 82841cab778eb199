package operate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// What a process tells another one of itself, so that it can be asked at any of them: load balancers do
// not say which one answers.
const (
	askHistory = "history"
	askLog     = "log"
)

// otherAnswers is how long another process may take to answer.
const otherAnswers = 10 * time.Second

// ofSelf are the answers of this process, by what is asked.
func (o *Room) ofSelf() map[string]func(ctx context.Context, question []byte) ([]byte, error) {
	return map[string]func(context.Context, []byte) ([]byte, error){
		askHistory: func(_ context.Context, question []byte) ([]byte, error) {
			var after float64
			if err := json.Unmarshal(question, &after); err != nil {
				return nil, err
			}
			return o.historyAfter(after)
		},
		askLog: func(_ context.Context, question []byte) ([]byte, error) {
			var q tailed
			if err := json.Unmarshal(question, &q); err != nil {
				return nil, err
			}
			return o.tail(q)
		},
	}
}

// MayBe refuses paths below /_node/{node} that can be neither of this process nor of another one.
func (o *Room) MayBe(r *http.Request) error {
	if o.members != nil {
		return nil // who asks for the process says so
	}
	return o.IsHere(r)
}

// ofProcess is what the process that the path names says of itself.
func (o *Room) ofProcess(r *http.Request, kind string, question any) ([]byte, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	name, err := wire.Segment(r, "node")
	if err != nil {
		return nil, err
	}
	if o.isSelf(name) {
		return o.ofSelf()[kind](r.Context(), body)
	}
	living, err := o.members.List(r.Context())
	if err != nil {
		return nil, err
	}
	id := ""
	var started time.Time
	for _, one := range living { // of one that was started anew there may be two for some seconds
		if wire.NodeName(one.Name) == name && !one.Started.Before(started) {
			id, started = one.ID, one.Started
		}
	}
	if id == "" {
		return nil, noNode(name)
	}
	ctx, cancel := context.WithTimeout(r.Context(), otherAnswers)
	defer cancel()
	answer, err := o.members.Ask(ctx, id, kind, body)
	if errors.Is(err, store.ErrMissing) {
		return nil, noNode(name)
	}
	if errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil {
		return nil, wire.Errorf(http.StatusServiceUnavailable, "timeout", "the process %s does not answer", name)
	}
	if refused, is := errors.AsType[*members.Refused](err); is { // an older release does not know the question
		return nil, wire.Errorf(http.StatusServiceUnavailable, "unavailable", "the process %s does not tell: %s", name, refused.Reason)
	}
	return answer, err
}
