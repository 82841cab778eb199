package operate

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// DBsInfo answers GET and POST /_dbs_info: the answer of GET /{db}, for several databases.
func (o *Room) DBsInfo(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return o.dbsInfoByKeys(w, r)
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	wanted, err := parseNameRange(query)
	if err != nil {
		return err
	}
	names, _, err := o.names(r.Context(), wanted)
	if err != nil {
		return err
	}
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	if *b, err = o.appendInfos(*b, r, names, false); err != nil {
		return err
	}
	return writeWithETag(w, r, *b)
}

func (o *Room) dbsInfoByKeys(w http.ResponseWriter, r *http.Request) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	members, err := wire.ParseObject(body)
	if err != nil {
		return err
	}
	raw, ok := members["keys"]
	if !ok {
		return wire.BadRequest("`keys` member must exist.")
	}
	var keys []string
	if raw[0] != '[' {
		return wire.BadRequest("`keys` member must be an array.")
	}
	if err := json.Unmarshal(raw, &keys); err != nil {
		return wire.BadRequest("`keys` member must be an array of strings.")
	}
	if len(keys) > o.settings().maxInfoKeys {
		return wire.BadRequest("too_many_keys")
	}
	b := wire.GetBuf()
	defer wire.PutBuf(b)
	if *b, err = o.appendInfos(*b, r, keys, true); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, *b)
}

// appendInfos appends a row for each database. A range leaves out databases that are gone by
// now, and a list of keys reports them.
func (o *Room) appendInfos(b []byte, r *http.Request, names []string, report bool) ([]byte, error) {
	b = append(b, '[')
	for _, name := range names {
		row := append([]byte(`{"key":`), wire.AppendString(nil, name)...)
		info, err := o.infoOf(r, name)
		switch {
		case err == nil:
			row = append(append(row, `,"info":`...), info...)
		case refused(err) && report:
			row = append(row, `,"error":"forbidden"`...)
		case refused(err):
			continue
		case errors.Is(err, store.ErrDamaged):
			row = append(row, `,"error":"database_damaged"`...)
		case !errors.Is(err, store.ErrNoDB) && !errors.Is(err, store.ErrBadDBName):
			return b, err
		case report:
			row = append(row, `,"error":"not_found"`...)
		default:
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, row...), '}')
	}
	return append(b, ']'), nil
}

// refused tells whether the user may not see the database.
func refused(err error) bool {
	_, is := errors.AsType[*wire.Error](err)
	return is
}

func (o *Room) infoOf(r *http.Request, name string) ([]byte, error) {
	db, err := o.access.OpenNamed(r.Context(), name, wire.UserOf(r), wire.Member)
	if err != nil {
		return nil, err
	}
	defer db.Release()
	info, err := db.Info(r.Context())
	if err != nil {
		return nil, err
	}
	return db.AppendInfo(nil, info), nil
}
