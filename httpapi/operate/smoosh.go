package operate

import (
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/smoosh"
)

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
	var all map[string]smoosh.ChannelStatus
	if o.smoosh != nil {
		all = o.smoosh.Status()
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
