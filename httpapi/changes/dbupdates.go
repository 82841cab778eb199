package changes

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// updatesPlace says how far a reader of _db_updates has come. The store's events do not outlive
// the process. So a reader without a place in this run first gets every existing database, in
// the order of names, and then the events.
//
//	NUMBER-RUN         behind that event
//	0-RUN-HEX          in the list, behind the name that HEX spells
//	0, or another RUN  at the beginning of the list
type updatesPlace struct {
	listing bool
	after   string
	n       uint64
}

func (a *Room) parseUpdatesPlace(text string) (updatesPlace, error) {
	run := a.store.Events().Instance()
	switch text {
	case "now":
		_, last, _ := a.store.Events().Since(^uint64(0))
		return updatesPlace{n: last}, nil
	case "", "0":
		return updatesPlace{listing: true}, nil
	}
	number, rest, ok := strings.Cut(text, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || !ok {
		return updatesPlace{}, store.ErrBadSeq
	}
	of, name, listing := strings.Cut(rest, "-")
	if of != run {
		return updatesPlace{listing: true}, nil
	}
	after, err := hex.DecodeString(name)
	if err != nil {
		return updatesPlace{}, store.ErrBadSeq
	}
	return updatesPlace{listing: listing, after: string(after), n: n}, nil
}

func (a *Room) appendUpdatesPlace(b []byte, p updatesPlace) []byte {
	b = append(b, '"')
	switch run := a.store.Events().Instance(); {
	case p.listing && p.after == "":
		b = append(b, '0')
	case p.listing:
		b = append(append(append(b, "0-"...), run...), '-')
		b = hex.AppendEncode(b, []byte(p.after))
	default:
		b = append(append(strconv.AppendUint(b, p.n, 10), '-'), run...)
	}
	return append(b, '"')
}

// updatesFeed is one reader.
type updatesFeed struct {
	wire.Feed
	room  *Room
	limit int // rows still wanted; negative: any number
	place updatesPlace
	count int // rows given
}

// DBUpdates answers GET /_db_updates: which databases were created, written or deleted.
func (a *Room) DBUpdates(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	f := &updatesFeed{room: a, limit: -1}
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
	if f.place, err = a.parseUpdatesPlace(since); err != nil {
		return err
	}
	switch framing {
	case wire.Normal, wire.Longpoll, wire.Continuous:
	case wire.EventSource:
		w.Header().Set("Content-Type", "text/event-stream")
	default:
		return wire.BadRequest("Supported `feed` types: normal, continuous, longpoll, eventsource")
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
		news, err := f.read(ctx)
		if err != nil {
			return err
		}
		if f.count > before {
			f.Told()
		}
		if !f.Waits() || f.limit == 0 || f.Framing == wire.Longpoll && f.count > 0 {
			break
		}
		more, err := f.Wait(ctx, news, nil)
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
	f.Stream.Buf = append(f.room.appendUpdatesPlace(f.Stream.Buf, f.place), "}\n"...)
	return f.Stream.End()
}

// read appends what there is to tell, and returns what to wait for.
func (f *updatesFeed) read(ctx context.Context) (<-chan struct{}, error) {
	for f.place.listing && f.limit != 0 {
		const page = 1000
		names, err := f.room.store.Names(ctx, f.place.after, page)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			f.place.after = name
			if store.Hidden(name) {
				continue
			}
			if err := f.row(name, "updated"); err != nil || f.limit == 0 {
				return nil, err
			}
		}
		if len(names) < page {
			f.place = updatesPlace{}
		}
	}
	if f.limit == 0 {
		return nil, nil
	}
	events, last, wait := f.room.store.Events().Since(f.place.n)
	for _, event := range events {
		f.place.n = event.Seq
		if err := f.row(event.DB, event.Type); err != nil || f.limit == 0 {
			return nil, err
		}
	}
	f.place.n = last
	return wait, nil
}

// row appends one row at the present place.
func (f *updatesFeed) row(name, kind string) error {
	b := f.Stream.Buf
	switch {
	case f.Framing == wire.EventSource:
		b = append(b, "data: "...)
	case f.Framed() && f.count > 0:
		b = append(b, ",\n"...)
	case f.Framed():
		b = append(b, '\n')
	}
	b = wire.AppendString(append(b, `{"db_name":`...), name)
	b = wire.AppendString(append(b, `,"type":`...), kind)
	b = f.room.appendUpdatesPlace(append(b, `,"seq":`...), f.place)
	b = append(b, "}"...)
	switch f.Framing {
	case wire.EventSource:
		b = append(b, "\nid: "...)
		id := f.room.appendUpdatesPlace(nil, f.place)
		b = append(append(b, id[1:len(id)-1]...), "\n\n"...)
	case wire.Continuous:
		b = append(b, '\n')
	}
	f.Stream.Buf = b
	f.count++
	if f.limit > 0 {
		f.limit--
	}
	return f.Working()
}
