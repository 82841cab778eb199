package operate

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/health"
)

// Look finds out what is wrong with the data folder and the machine.
type Look func(context.Context) []health.Finding

// Doctor answers GET _doctor: what is wrong with the data folder and the machine, and how to cure it.
func (o *Room) Doctor(w http.ResponseWriter, r *http.Request) error {
	if o.health == nil {
		return wire.Errorf(http.StatusNotImplemented, "not_implemented", "this server has no data folder")
	}
	list := o.health(r.Context())
	b, err := json.Marshal(struct {
		Healthy  bool             `json:"healthy"` // no finding is a fault
		Findings []health.Finding `json:"findings"`
	}{!health.Faulty(list), list})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}
