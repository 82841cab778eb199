package changes

import (
	"context"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/updates"
)

// updatesFeed is one reader.
type updatesFeed struct {
	wire.Feed
	reader *updates.Reader
	limit  int // rows still wanted; negative: any number
	place  uint64
	count  int // rows given
}

// DBUpdates answers GET /_db_updates: which databases were created, written or deleted.
func (a *Room) DBUpdates(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	if a.updates == nil {
		return wire.Errorf(http.StatusNotImplemented, "not_implemented", "This server does not note what happens to databases.")
	}
	f := &updatesFeed{limit: -1}
	framing, since, heartbeat, timeout := wire.Normal, "0", time.Duration(0), wire.SettingsOf(r).FeedTimeout
	err = query.Each(func(name, value string) (err error) {
		switch name {
		case "feed":
			framing = wire.Framing(value)
		case "since":
			since = value
		case "last-event-id":
			since = value
		case "limit":
			f.limit, err = wire.ParsePositive(value)
		case "timeout":
			timeout, err = parseMillis(value)
		case "heartbeat":
			if heartbeat = wire.FeedTimeout; value != "true" {
				heartbeat, err = parseMillis(value)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && framing == wire.EventSource {
		since = id
	}
	switch framing {
	case wire.Normal, wire.Longpoll, wire.Continuous:
	case wire.EventSource:
		w.Header().Set("Content-Type", "text/event-stream")
	default:
		return wire.BadRequest("Supported `feed` types: normal, continuous, longpoll, eventsource")
	}
	read := a.updates.Read
	if framing != wire.Normal {
		read = a.updates.Follow
	}
	if f.reader, err = read(r.Context()); err != nil {
		return err
	}
	defer f.reader.Close()
	switch since {
	case "now":
		f.place, err = f.reader.Now(r.Context())
	case "":
	default:
		f.place, err = f.reader.Place(r.Context(), since)
	}
	if err != nil {
		return err
	}
	rights, err := a.access.FeedRights(r.Context(), wire.UserOf(r), nil, framing)
	if err != nil {
		return err
	}
	leave, err := wire.EnterFeed(w, r, framing)
	if err != nil {
		return err
	}
	defer leave()
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	f.Feed = wire.NewFeed(st, framing, heartbeat, timeout, rights)
	return f.run(r.Context())
}

func parseMillis(value string) (time.Duration, error) {
	n, err := wire.ParsePositive(value)
	return time.Duration(min(int64(n), 1<<31)) * time.Millisecond, err
}

func (f *updatesFeed) run(ctx context.Context) error {
	if f.Framed() {
		f.Stream.Buf = append(f.Stream.Buf, `{"results":[`...)
	}
	for {
		before := f.count
		if err := f.read(ctx); err != nil {
			return err
		}
		if f.count > before {
			f.Told()
		}
		if !f.Waits() || f.limit == 0 || f.Framing == wire.Longpoll && f.count > 0 {
			break
		}
		more, err := f.Wait(ctx, f.reader.Changed(f.place), f.reader.Gone())
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	switch {
	case f.Framed():
		f.Stream.Buf = append(f.Stream.Buf, `],"last_seq":`...)
	case f.Framing == wire.Continuous:
		f.Stream.Buf = append(f.Stream.Buf, `{"last_seq":`...)
	default:
		return f.Stream.End()
	}
	f.Stream.Buf = append(f.appendPlace(f.Stream.Buf, f.place), "}\n"...)
	return f.Stream.End()
}

// read appends what there is to tell.
func (f *updatesFeed) read(ctx context.Context) (err error) {
	if f.limit == 0 {
		return nil
	}
	f.place, err = f.reader.Since(ctx, f.place, f.limit, f.row, f.Working)
	return err
}

func (f *updatesFeed) appendPlace(b []byte, n uint64) []byte {
	return append(f.reader.Seq(n).AppendTo(append(b, '"')), '"')
}

// row appends one row.
func (f *updatesFeed) row(ev *updates.Event) error {
	b := f.Stream.Buf
	switch {
	case f.Framing == wire.EventSource:
		b = append(b, "data: "...)
	case f.Framed() && f.count > 0:
		b = append(b, ",\n"...)
	case f.Framed():
		b = append(b, '\n')
	}
	b = wire.AppendString(append(b, `{"db_name":`...), ev.DB)
	b = wire.AppendString(append(b, `,"type":`...), ev.Type)
	b = f.appendPlace(append(b, `,"seq":`...), ev.Seq.N)
	b = append(b, "}"...)
	switch f.Framing {
	case wire.EventSource:
		b = append(ev.Seq.AppendTo(append(b, "\nid: "...)), "\n\n"...)
	case wire.Continuous:
		b = append(b, '\n')
	}
	f.Stream.Buf = b
	f.count++
	if f.limit > 0 {
		f.limit--
	}
	return nil
}
