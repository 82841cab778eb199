package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
)

// savedAnswer is the answer to a write, made within the transaction so that it can be
// recorded there: what of its headers matters, and its body.
type savedAnswer struct {
	Status   int    `json:"status"`
	ETag     string `json:"etag,omitempty"`
	Location string `json:"location,omitempty"`

	body []byte
}

// errorAnswer is the answer to an error.
func errorAnswer(err error) savedAnswer {
	status, _, _, _ := wire.AnswerOf(err)
	return savedAnswer{Status: status, body: append(wire.AppendErrorOf([]byte{'{'}, err), '}')}
}

// encode makes the record of an answer: the head as a line of JSON, then the body.
func (a savedAnswer) encode() []byte {
	head, err := json.Marshal(a)
	if err != nil {
		panic(err) // a number and strings
	}
	return append(append(head, '\n'), a.body...)
}

func decodeAnswer(record []byte) (a savedAnswer, err error) {
	head, body, _ := bytes.Cut(record, []byte{'\n'})
	err = json.Unmarshal(head, &a)
	a.body = body
	return a, err
}

func (a savedAnswer) send(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	if a.ETag != "" {
		h["Etag"] = []string{a.ETag}
	}
	if a.Location != "" {
		h["Location"] = []string{a.Location}
	}
	return wire.WriteJSON(w, r, a.Status, a.body)
}
