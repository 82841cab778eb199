package write

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/fault"
	"github.com/tododb/tododb/httpapi/wire"
)

// Answer is the answer to a write: the headers that matter, and the body. It is made within
// the transaction, so it can be recorded there.
type Answer struct {
	Status   int    `json:"status"`
	ETag     string `json:"etag,omitempty"`
	Location string `json:"location,omitempty"`

	Body []byte
}

// errorAnswer returns the answer to an error.
func errorAnswer(err error) Answer {
	f := fault.Of(err)
	return Answer{Status: f.Status, Body: append(f.Append([]byte{'{'}), '}')}
}

// encode makes the record of an answer: the head as a line of JSON, then the body.
func (a Answer) encode() []byte {
	head, err := json.Marshal(a)
	if err != nil {
		panic(err) // a number and strings
	}
	return append(append(head, '\n'), a.Body...)
}

func decodeAnswer(record []byte) (a Answer, err error) {
	head, body, _ := bytes.Cut(record, []byte{'\n'})
	err = json.Unmarshal(head, &a)
	a.Body = body
	return a, err
}

func (a Answer) Send(w http.ResponseWriter, r *http.Request) error {
	if a.ETag != "" {
		wire.SetHeader(w, "Etag", a.ETag)
	}
	if a.Location != "" {
		wire.SetHeader(w, "Location", a.Location)
	}
	return wire.WriteJSON(w, r, a.Status, a.Body)
}
