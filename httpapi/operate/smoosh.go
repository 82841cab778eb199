package operate

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/smoosh"
)

// upkeepNotes is the kind of the note in which the process that compacts tells the others what waits there.
const upkeepNotes = "upkeep"

// tellUpkeep has the other processes know what waits here, if this is the process that compacts.
func (o *Room) tellUpkeep() {
	if o.smoosh == nil {
		return
	}
	o.members.Tell(upkeepNotes, func() map[string][]byte {
		if !o.smoosh.Runs() {
			return nil
		}
		b, err := json.Marshal(o.smoosh.Status())
		if err != nil {
			return nil
		}
		return map[string][]byte{"status": b}
	})
}

// upkeepStatus is what waits here, or, as it was some seconds ago, at the process that compacts.
func (o *Room) upkeepStatus(ctx context.Context) (all map[string]smoosh.ChannelStatus, err error) {
	if o.smoosh == nil {
		return nil, nil
	}
	all = o.smoosh.Status()
	if o.members == nil || o.smoosh.Runs() {
		return all, nil
	}
	err = o.members.Told(ctx, upkeepNotes, func(_ members.Member, _ string, body []byte) error {
		told := map[string]smoosh.ChannelStatus{}
		if err := json.Unmarshal(body, &told); err != nil {
			return err
		}
		all = told
		return nil
	})
	return all, err
}

// SmooshStatus answers GET /_node/{name}/_smoosh/status: what waits to be compacted, by channel.
func (o *Room) SmooshStatus(w http.ResponseWriter, r *http.Request) error {
	type waiting struct {
		Size int     `json:"size"`
		Min  float64 `json:"min"`
		Max  float64 `json:"max"`
	}
	type channel struct {
		Starting int     `json:"starting"`
		Waiting  waiting `json:"waiting"`
		Active   int     `json:"active"`
	}
	channels := map[string]channel{}
	all, err := o.upkeepStatus(r.Context())
	if err != nil {
		return err
	}
	for name, st := range all {
		channels[name] = channel{Waiting: waiting{st.Waiting, st.Least, st.Most}, Active: st.Active}
	}
	b, err := json.Marshal(map[string]any{"channels": channels})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}
