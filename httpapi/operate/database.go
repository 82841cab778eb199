package operate

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// DatabaseInfo answers GET and HEAD of a database.
func (o *Room) DatabaseInfo(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	info, err := db.Info(r.Context())
	if err != nil {
		return err
	}
	b := db.AppendInfo(nil, info)
	if query, err := wire.QueryOf(r); err == nil && query.Is("conflict_count") { // CouchDB reads no query here
		n, err := db.ConflictCount(r.Context())
		if err != nil {
			return err
		}
		b = wire.AppendInt(append(b[:len(b)-1], `,"conflict_count":`...), n)
		b = append(b, '}')
	}
	wire.SetModified(w.Header(), info.Modified)
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// CreateDatabase answers PUT of a database. Shards and replicas have no meaning on one node,
// but values that CouchDB refuses are refused.
func (o *Room) CreateDatabase(w http.ResponseWriter, r *http.Request) error {
	name, err := wire.Segment(r, "db")
	if err != nil {
		return err
	}
	properties, err := createOptions(r)
	if err != nil {
		return err
	}
	if properties.Partitioned && !o.settings().mayPartition(name) {
		return wire.BadRequest("Partitioned feature is not enabled.")
	}
	err = o.access.CreateDatabase(r.Context(), name, properties)
	if errors.Is(err, store.ErrBadDBName) {
		if len(name) > wire.MaxDBName {
			return wire.Errorf(http.StatusBadRequest, "database_name_too_long", "At least one path segment of `%s` is too long.", name)
		}
		return wire.BadDBName(name)
	}
	if err != nil {
		return err
	}
	w.Header()["Location"] = []string{wire.Absolute(r, "/"+wire.EscapeSegment(name))}
	return wire.WriteJSON(w, r, http.StatusCreated, []byte(`{"ok":true}`))
}

// mayPartition tells whether a database with this name may be partitioned. The flag with the
// longest matching beginning decides.
func (s *settings) mayPartition(name string) bool {
	allowed, longest := true, -1
	for flag, value := range s.flags {
		beginning, is := strings.CutPrefix(strings.TrimSuffix(flag, "*"), "partitioned||")
		if is && strings.HasPrefix(name, beginning) && len(beginning) > longest {
			allowed, longest = value == "true", len(beginning)
		}
	}
	return allowed
}

// createOptions reads how a database is to be created.
func createOptions(r *http.Request) (p store.Properties, err error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return p, err
	}
	return p, query.Each(func(name, value string) error {
		switch name {
		case "q", "n":
			if n, err := strconv.Atoi(value); err != nil || n < 1 {
				return wire.BadRequest("The `%s` value should be a positive integer.", name)
			}
		case "partitioned":
			switch value {
			case "true", "false":
				p.Partitioned = value == "true"
			default:
				return wire.BadRequest("Invalid `partitioned` parameter")
			}
		case "engine":
			if value != "couch" {
				return wire.BadRequest("invalid_engine_extension")
			}
		case "placement":
			for part := range strings.SplitSeq(value, ",") {
				if _, count, ok := strings.Cut(part, ":"); !ok || count == "" {
					return wire.BadRequest("The `placement` value should be in a format `zone:n`.")
				}
			}
		}
		return nil
	})
}

// DeleteDatabase answers DELETE of a database.
func (o *Room) DeleteDatabase(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	if _, given := query.Get("rev"); given {
		return wire.BadRequest("You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a document instead?")
	}
	name, err := wire.Segment(r, "db")
	if err != nil {
		return err
	}
	if err := o.store.Drop(r.Context(), name); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}
