package operate

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

var errPeriod = wire.BadRequest("`deleted_document_ttl` and `grace_period` must be a number and a unit of time, such as 30_days, or infinity")

// tombstonesBody is the answer of _tombstones.
type tombstonesBody struct {
	TTL        string         `json:"deleted_document_ttl"`
	Grace      string         `json:"grace_period"`
	Tombstones uint64         `json:"tombstones"`
	Dead       deadBody       `json:"dead"`
	EndedTo    string         `json:"ended_to,omitempty"`
	Peers      int            `json:"peers"`
	Away       int            `json:"peers_away"`
	Watermark  *watermarkBody `json:"watermark,omitempty"`
	Revivals   uint64         `json:"revivals"`
}

type deadBody struct {
	Count uint64 `json:"count"`
	Bytes uint64 `json:"bytes"`
}

type watermarkBody struct {
	Seq    string `json:"seq"`
	HeldBy string `json:"held_by"`
}

// Tombstones answers GET of _tombstones: when they end, how many have ended, and for which peer they wait.
func (o *Room) Tombstones(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	life, err := db.Lifetime(r.Context())
	if err != nil {
		return err
	}
	info, err := db.Info(r.Context())
	if err != nil {
		return err
	}
	mark, err := db.Watermark(r.Context())
	if err != nil {
		return err
	}
	b := tombstonesBody{
		TTL: life.TTL, Grace: life.Grace, Tombstones: info.DelCount, Dead: deadBody{info.Dead.Count, info.Dead.Bytes},
		Peers: mark.Peers, Away: mark.Away, Revivals: info.Dead.Revivals,
	}
	if b.TTL == "" {
		b.TTL = "infinity"
	}
	if b.Grace == "" {
		b.Grace = store.DefaultGrace
	}
	if info.Dead.Newest > 0 {
		b.EndedTo = db.Seq(info.Dead.Newest).String()
	}
	if mark.HeldBy != "" {
		b.Watermark = &watermarkBody{db.Seq(mark.Seq).String(), mark.HeldBy}
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, raw)
}

// SetTombstones answers PUT of _tombstones. A property that is left out gets its default.
func (o *Room) SetTombstones(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	members, err := wire.ParseObject(body)
	if err != nil {
		return err
	}
	var life store.Lifetime
	for name, value := range members {
		text, err := jsonscan.Text(value)
		if _, ok := store.ParsePeriod(text); err != nil || !ok {
			return errPeriod
		}
		switch name {
		case "deleted_document_ttl":
			life.TTL = text
		case "grace_period":
			life.Grace = text
		default:
			return wire.BadRequest("`%s` is no property of tombstones", name)
		}
	}
	if err := db.SetLifetime(r.Context(), func(l *store.Lifetime) { *l = life }); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusCreated, []byte(`{"ok":true}`))
}

// Revivals answers GET of _revivals: dead documents that live again because of edits made
// elsewhere, the newest first.
func (o *Room) Revivals(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	st.Buf = append(st.Buf, `{"revivals":[`...)
	first := true
	err = db.Revivals(r.Context(), func(v *store.Revival) error {
		if !first {
			st.Buf = append(st.Buf, ',')
		}
		first = false
		st.Buf = wire.AppendString(append(st.Buf, `{"id":`...), v.ID)
		st.Buf = wire.AppendRev(append(st.Buf, `,"rev":`...), v.Rev)
		st.Buf = wire.AppendRev(append(st.Buf, `,"tombstone":`...), v.Dead)
		st.Buf = wire.AppendString(append(st.Buf, `,"time":`...), v.Time.Format(time.RFC3339))
		st.Buf = append(st.Buf, '}')
		return nil
	}, func() error {
		if st.Full() {
			return st.Flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	st.Buf = append(st.Buf, "]}\n"...)
	return st.End()
}
