package replicate

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// Names of the members of a _replicator document that only the server writes.
const (
	memberState  = "_replication_state"
	memberTime   = "_replication_state_time"
	memberReason = "_replication_state_reason"
	memberID     = "_replication_id"
	memberStats  = "_replication_stats"
)

// IsReplicator tells whether the documents of a database ask for replications.
func IsReplicator(db string) bool {
	return db == "_replicator" || strings.HasSuffix(db, "/_replicator")
}

// documentSpec is what a _replicator document says.
type documentSpec struct {
	spec  Spec
	user  User   // user_ctx
	owner string // of the document
	state string // as the document says, "" for none
	// paused: the replication waits until the document says otherwise.
	paused bool
	key    [sha256.Size]byte
}

// over tells whether the document says that its job has come to an end.
func (d *documentSpec) over() bool {
	return d.state == string(Completed) || d.state == string(Failed)
}

// CheckDocument checks the body of a _replicator document. Its errors are *BadRequest,
// *BadEndpoint and, if headers is not nil, *RefusedHeader.
func CheckDocument(body []byte, headers *Headers) error {
	said, err := parseDocument(body)
	if err == nil && headers != nil {
		err = headers.Check(&said.spec)
	}
	return err
}

// parseDocument reads the body of a _replicator document. It fills in the state even if it
// returns an error.
func parseDocument(body []byte) (d documentSpec, err error) {
	h := sha256.New()
	var context, paused []byte
	if err := jsonscan.EachMember(body, func(name, value []byte) error {
		switch string(name) {
		case memberState:
			d.state, _ = jsonscan.Text(value)
		case "owner":
			d.owner, _ = jsonscan.Text(value) // null: it belongs to nobody
		case "user_ctx":
			context = value
		case "paused":
			paused = value
		}
		if !bytes.HasPrefix(name, []byte("_")) { // else it is the server's: no reason to start again
			h.Write(jsonscan.AppendString(nil, name))
			h.Write(value)
		}
		return nil
	}); err != nil {
		return d, &BadRequest{"The document must be a JSON object"}
	}
	h.Sum(d.key[:0])
	if d.spec, err = ParseSpec(body); err != nil {
		return d, err
	}
	for _, e := range []Endpoint{d.spec.Source, d.spec.Target} {
		switch {
		case e.URL == "" && e.Local == "":
			return d, &BadRequest{"Both `source` and `target` must name a database"}
		case e.URL == "":
			return d, &BadEndpoint{"local_endpoints_not_supported"}
		}
	}
	if paused != nil {
		if d.paused, err = boolean("paused", paused); err != nil {
			return d, err
		}
	}
	d.user, err = userContext(context)
	return d, err
}

func userContext(raw []byte) (User, error) {
	var u struct {
		Name  *string  `json:"name"`
		Roles []string `json:"roles"`
	}
	if raw == nil {
		return User{}, nil
	}
	if jsonscan.Kind(raw) != '{' || json.Unmarshal(raw, &u) != nil {
		return User{}, &BadRequest{"`user_ctx` must be an object with a `name` and a list of `roles`"}
	}
	if u.Name == nil {
		u.Name = new(string)
	}
	return User{Name: *u.Name, Roles: u.Roles}, nil
}

// edited returns an object with some members replaced. A member whose new value is nil is
// removed. All others stay as they are.
func edited(object []byte, set map[string][]byte) ([]byte, error) {
	b := []byte{'{'}
	member := func(name, value []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendString(b, name), ':')
		b = append(b, value...)
	}
	seen := map[string]bool{}
	err := jsonscan.EachMember(object, func(name, value []byte) error {
		if replacement, ok := set[string(name)]; ok {
			if seen[string(name)] || replacement == nil {
				return nil
			}
			seen[string(name)] = true
			value = replacement
		}
		member(name, value)
		return nil
	})
	for _, name := range []string{"owner", memberState, memberTime, memberReason, memberID, memberStats} {
		if value := set[name]; value != nil && !seen[name] {
			member([]byte(name), value)
		}
	}
	return append(b, '}'), err
}

// WithOwner gives a _replicator document an owner. An empty name stands for nobody.
func WithOwner(body []byte, name string) ([]byte, error) {
	owner := []byte("null")
	if name != "" {
		owner = jsonscan.AppendString(nil, name)
	}
	return edited(body, map[string][]byte{"owner": owner})
}

// OwnerOf returns the owner of a _replicator document. The name is "" if the member is
// missing, null or not a string; known tells whether the document has the member.
func OwnerOf(body []byte) (name string, known bool) {
	err := jsonscan.EachMember(body, func(member, value []byte) error {
		if string(member) == "owner" {
			name, _ = jsonscan.Text(value)
			known = true
		}
		return nil
	})
	return name, known && err == nil
}

// WithoutSecrets removes the credentials for both sides from a _replicator document:
// passwords in URLs, auth, and headers that carry credentials.
func WithoutSecrets(body []byte) ([]byte, error) {
	set := map[string][]byte{}
	err := jsonscan.EachMember(body, func(name, value []byte) error {
		switch string(name) {
		case "source", "target", "source_proxy", "target_proxy", "proxy":
			clean, err := cleanEndpoint(value)
			set[string(name)] = clean
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return edited(body, set)
}

func cleanEndpoint(value []byte) ([]byte, error) {
	if text, err := jsonscan.Text(value); err == nil {
		return jsonscan.AppendString(nil, cleanURL(text)), nil
	}
	if jsonscan.Kind(value) != '{' {
		return []byte("null"), nil
	}
	// An endpoint is read regardless of the case of its members, so it is cleaned that way too.
	set := map[string][]byte{}
	err := jsonscan.EachMember(value, func(member, v []byte) (err error) {
		name := string(member)
		switch strings.ToLower(name) {
		case "auth":
			set[name] = nil
		case "url":
			text, _ := jsonscan.Text(v) // anything but a string becomes ""
			set[name] = jsonscan.AppendString(nil, cleanURL(text))
		case "headers":
			set[name], err = cleanHeaders(v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return edited(value, set)
}

// cleanHeaders leaves out the headers that carry credentials.
func cleanHeaders(headers []byte) ([]byte, error) {
	if jsonscan.Kind(headers) != '{' {
		return []byte("{}"), nil
	}
	secret := map[string][]byte{}
	err := jsonscan.EachMember(headers, func(name, _ []byte) error {
		if carriesCredentials(string(name)) {
			secret[string(name)] = nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return edited(headers, secret)
}

func carriesCredentials(header string) bool {
	name := strings.ToLower(header)
	switch name {
	case "authorization", "cookie", "proxy-authorization":
		return true
	}
	if strings.HasPrefix(name, "x-auth") {
		return true
	}
	for _, word := range []string{"token", "key", "secret", "password"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// cleanURL removes the user and the password from a URL. It returns "" for one that it
// cannot read.
func cleanURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	if u.User == nil {
		return text
	}
	u.User = nil
	return u.String()
}
