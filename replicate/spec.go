package replicate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/jsonscan"
)

// Spec says what to replicate and how.
type Spec struct {
	Source, Target Endpoint
	Filter         Filter
	Continuous     bool
	CreateTarget   bool
	Winners        bool   // winning_revs_only
	SinceSeq       string // start here instead of at the checkpoint
	NoCheckpoints  bool   // write none (use_checkpoints: false), but read existing ones
	// CheckpointInterval is the time between two checkpoints (30 s).
	CheckpointInterval time.Duration
	BatchSize          int // changes a batch (500)
	Workers            int // batches under way at once (4)
	Retries            int // how often a request is tried again before the job fails (5)
	// Connections is how many requests a side may get at once (20). A worker sends one at a
	// time to each side, so this limits Workers.
	Connections int
	// The rest says how to talk to peers behind HTTP, and applies to both endpoints.
	silence         time.Duration
	noBulkGet       bool
	saysCheckpoints bool // use_checkpoints is there
	newDB           url.Values

	sourceProxy, targetProxy, proxy *url.URL

	Cancel bool
	ID     string // with Cancel: the id of the replication, instead of its description
}

func (s *Spec) setDefaults() {
	if s.CheckpointInterval <= 0 {
		s.CheckpointInterval = 30 * time.Second
	}
	if s.BatchSize <= 0 {
		s.BatchSize = 500
	}
	if s.Workers <= 0 {
		s.Workers = 4
	}
	if s.Retries <= 0 {
		s.Retries = 5
	}
	if s.Connections > 0 {
		s.Workers = min(s.Workers, s.Connections)
	}
	for _, e := range []*Endpoint{&s.Source, &s.Target} {
		if s.silence > 0 {
			e.Silence = s.silence
		}
		e.NoBulkGet = e.NoBulkGet || s.noBulkGet
	}
}

// ParseSpec reads the body of a request to /_replicate, or a document of _replicator.
// Its errors are *BadRequest and *BadEndpoint. It ignores unknown members. What the body
// does not say stays zero.
func ParseSpec(body []byte) (Spec, error) {
	var s Spec
	var failed error
	err := jsonscan.EachMember(body, func(name, value []byte) error {
		failed = s.member(string(name), value)
		return failed
	})
	if failed != nil {
		return s, failed
	}
	if err != nil {
		return s, &BadRequest{"Request body must be a JSON object"}
	}
	if s.Filter.Name != "" && s.Filter.DocIDs != nil || s.Filter.Name != "" && s.Filter.Selector != nil || s.Filter.DocIDs != nil && s.Filter.Selector != nil {
		return s, &BadRequest{"`doc_ids`,`filter`,`selector` are mutually exclusive"}
	}
	if s.proxy != nil && (s.sourceProxy != nil || s.targetProxy != nil) {
		return s, &BadRequest{"`proxy` is mutually exclusive with `source_proxy` and `target_proxy`"}
	}
	s.Source.Proxy, s.Target.Proxy = cmp.Or(s.sourceProxy, s.proxy), cmp.Or(s.targetProxy, s.proxy)
	s.Target.NewDB = s.newDB
	return s, nil
}

func (s *Spec) member(name string, v []byte) (err error) {
	switch name {
	case "source":
		s.Source, err = parseEndpoint(v)
	case "target":
		s.Target, err = parseEndpoint(v)
	case "continuous":
		s.Continuous, err = boolean(name, v)
	case "create_target":
		s.CreateTarget, err = boolean(name, v)
	case "cancel":
		s.Cancel, err = boolean(name, v)
	case "winning_revs_only":
		s.Winners, err = boolean(name, v)
	case "use_checkpoints":
		var use bool
		use, err = boolean(name, v)
		s.NoCheckpoints, s.saysCheckpoints = !use, true
	case "checkpoint_interval":
		s.CheckpointInterval, err = milliseconds(name, v)
	case "worker_batch_size":
		s.BatchSize, err = positive(name, v)
		s.BatchSize = min(s.BatchSize, 10000)
	case "worker_processes":
		s.Workers, err = positive(name, v)
		s.Workers = min(s.Workers, 32)
	case "retries_per_request":
		s.Retries, err = positive(name, v)
	case "http_connections":
		s.Connections, err = positive(name, v)
	case "connection_timeout":
		s.silence, err = milliseconds(name, v)
	case "use_bulk_get":
		var use bool
		use, err = boolean(name, v)
		s.noBulkGet = !use
	case "create_target_params":
		s.newDB, err = newDBParams(v)
	case "source_proxy":
		s.sourceProxy, err = parseProxy(name, v)
	case "target_proxy":
		s.targetProxy, err = parseProxy(name, v)
	case "proxy": // CouchDB's older word for the same proxy on both sides
		s.proxy, err = parseProxy(name, v)
	case "since_seq":
		s.SinceSeq = seqText(v)
	case "filter":
		if s.Filter.Name, err = jsonscan.Text(v); err != nil {
			err = &BadRequest{"parameter `filter` must be a string"}
		}
	case "query_params":
		s.Filter.Params, err = queryParams(v)
	case "selector":
		if jsonscan.Kind(v) != '{' {
			return &BadRequest{"parameter `selector` must be a JSON object"}
		}
		if _, err := mango.Compile(v); err != nil {
			return &BadRequest{"parameter `selector`: " + err.Error()}
		}
		s.Filter.Selector = bytes.Clone(v)
	case "doc_ids":
		s.Filter.DocIDs, err = docIDs(v)
	case "replication_id", "id", "_local_id": // the last is how the answer to a start calls it
		s.ID, err = jsonscan.Text(v)
	}
	return err
}

func boolean(name string, v []byte) (bool, error) {
	switch string(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, &BadRequest{fmt.Sprintf("parameter `%s` must be a boolean", name)}
}

// positive reads a number, which as in CouchDB may be a text.
func positive(name string, v []byte) (n int, err error) {
	if text, err := jsonscan.Text(v); err == nil {
		v = []byte(text)
	}
	if err := json.Unmarshal(v, &n); err != nil || n < 1 {
		return 0, &BadRequest{fmt.Sprintf("parameter `%s` must be a positive integer", name)}
	}
	return n, nil
}

// milliseconds reads a time. The longest is that of the settings.
func milliseconds(name string, v []byte) (time.Duration, error) {
	ms, err := positive(name, v)
	return time.Duration(min(ms, math.MaxInt32)) * time.Millisecond, err
}

// newDBParams reads how to create a target. CouchDB's q, n and partitioned are passed on to it.
func newDBParams(v []byte) (url.Values, error) {
	params, err := queryParams(v)
	if err != nil {
		return nil, &BadRequest{"parameter `create_target_params` must be a JSON object"}
	}
	values := url.Values{}
	for name, value := range params {
		values.Set(name, value)
	}
	return values, nil
}

func parseProxy(name string, v []byte) (*url.URL, error) {
	text, err := jsonscan.Text(v)
	if err == nil && text == "" {
		return nil, nil
	}
	if err == nil {
		if u, err := url.Parse(text); err == nil && checkHost(u) == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "socks5") {
			return u, nil
		}
	}
	return nil, &BadRequest{fmt.Sprintf("parameter `%s` must be the URL of a proxy", name)}
}

func queryParams(v []byte) (map[string]string, error) {
	params := map[string]string{}
	err := jsonscan.EachMember(v, func(name, value []byte) error {
		params[string(name)] = seqText(value) // strings as they are, other values as JSON
		return nil
	})
	if err != nil {
		return nil, &BadRequest{"parameter `query_params` must be a JSON object"}
	}
	return params, nil
}

func docIDs(v []byte) ([]string, error) {
	if string(v) == "null" {
		return nil, nil
	}
	if jsonscan.Kind(v) != '[' {
		return nil, &BadRequest{"parameter `doc_ids` must be an array"}
	}
	ids := []string{}
	err := jsonscan.EachElement(v, func(e []byte) error {
		id, err := jsonscan.Text(e)
		if id = unquoted(id); err == nil && !utf8.ValidString(id) {
			err = jsonscan.ErrSyntax
		}
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, &BadRequest{"parameter `doc_ids` must be an array of strings"}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// unquoted reads an id of doc_ids. As in CouchDB, it may be escaped as in a query, and what
// is not an escape stands for itself (mochiweb_util.erl, unquote).
func unquoted(id string) string {
	if !strings.ContainsAny(id, "%+") {
		return id
	}
	b := make([]byte, 0, len(id))
	for i := 0; i < len(id); i++ {
		c := id[i]
		if c == '+' {
			c = ' '
		} else if c == '%' && i+2 < len(id) {
			if n, err := strconv.ParseUint(id[i+1:i+3], 16, 8); err == nil {
				c, i = byte(n), i+2
			}
		}
		b = append(b, c)
	}
	return string(b)
}
