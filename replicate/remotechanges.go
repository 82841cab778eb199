package replicate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
)

// Changes reads rows as they arrive.
func (p *remotePeer) Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (end ChangesEnd, err error) {
	query := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	if !q.Winners {
		query.Set("style", "all_docs")
	}
	if q.Since != "" {
		query.Set("since", q.Since)
	}
	if q.Wait > 0 {
		query.Set("feed", "longpoll")
	}
	if q.Wait > 0 && q.Filter.all() {
		query.Set("timeout", strconv.FormatInt(q.Wait.Milliseconds(), 10))
	} else { // the peer may search for a long time, so heartbeats show that it is alive
		query.Set("heartbeat", strconv.FormatInt(max(p.silence/3, time.Second).Milliseconds(), 10))
	}
	method, body := http.MethodGet, []byte(nil)
	switch {
	case q.Filter.DocIDs != nil:
		query.Set("filter", "_doc_ids")
		method = http.MethodPost
		body = Marshal(map[string]any{"doc_ids": q.Filter.DocIDs})
	case q.Filter.Selector != nil:
		query.Set("filter", "_selector")
		method = http.MethodPost
		body = append(append([]byte(`{"selector":`), q.Filter.Selector...), '}')
	case q.Filter.Name != "":
		query.Set("filter", q.Filter.Name)
		for name, value := range q.Filter.Params {
			query.Set(name, value)
		}
	}
	ask := sendingJSON(method, "_changes", query, body)
	ask.wait = q.Wait
	resp, err := p.send(ctx, ask)
	if err != nil {
		return end, err
	}
	defer resp.Body.Close()
	end = ChangesEnd{LastSeq: q.Since, Pending: -1}
	a := newAnswer(ctx, resp.Body, false)
	read, rows, last := 0, false, false
	err = a.eachMember(func(name string) error {
		switch name {
		case "results":
			rows = true
			return a.eachElement(func() error {
				raw, err := a.value()
				if err != nil {
					return err
				}
				c, err := parseChange(raw)
				if err != nil {
					return err
				}
				end.Rows++
				end.LastSeq = c.Seq // unless last_seq says otherwise
				if err := fn(c); err != nil {
					return err
				}
				if read += c.bytes(); read >= batchBytes {
					return errBatchFull
				}
				return nil
			})
		case "last_seq":
			v, err := a.value()
			if err == nil && string(v) != "null" {
				end.LastSeq, last = seqText(v), true
			}
			return err
		case "pending":
			v, err := a.value()
			if n, e := strconv.ParseInt(string(v), 10, 64); e == nil {
				end.Pending = n
			}
			return err
		}
		return a.SkipValue()
	})
	switch {
	case errors.Is(err, errBatchFull):
		end.Full, err = true, nil
	case err == nil && !(rows && last): // taken for an empty one, it would be the end of all changes
		err = malformed(errNoChanges)
	}
	if err == nil && end.Rows > 0 && orZero(end.LastSeq) == orZero(q.Since) { // asked for what follows, it would say the same for ever
		err = malformed(errStandsStill)
	}
	return end, err
}

var (
	errNoChanges   = errors.New("it has no `results` or no `last_seq`")
	errStandsStill = errors.New("its changes end where they begin")
	errNoRow       = errors.New("it has no `seq`, no `id` or no `changes`")
)

// seqText returns a sequence as it is sent back: the text of a string, or the JSON of
// whatever older peers use.
func seqText(raw []byte) string {
	if text, err := jsonscan.Text(raw); err == nil {
		return text
	}
	return string(raw)
}

func parseChange(raw []byte) (c Change, err error) {
	err = jsonscan.EachMember(raw, func(name, value []byte) (err error) {
		switch string(name) {
		case "seq":
			c.Seq = seqText(value)
		case "id":
			c.ID, err = jsonscan.Text(value)
		case "changes":
			return jsonscan.EachElement(value, func(e []byte) error {
				return jsonscan.EachMember(e, func(name, value []byte) error {
					if string(name) != "rev" {
						return nil
					}
					text, err := jsonscan.Text(value)
					if err != nil {
						return err
					}
					rev, err := revtree.Parse(text)
					c.Revs = append(c.Revs, rev)
					return err
				})
			})
		}
		return err
	})
	if err == nil && (c.Seq == "" || c.Seq == "null" || c.ID == "" || len(c.Revs) == 0) {
		err = errNoRow
	}
	if err != nil {
		err = fmt.Errorf("changes row: %w", err)
	}
	return c, err
}

// malformed wraps the error of an answer that is not what it should be, or was cut short.
func malformed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("peer's answer: %w", err)
}

// Missing asks _revs_diff.
func (p *remotePeer) Missing(ctx context.Context, changes []Change) ([]Wanted, error) {
	body := []byte{'{'}
	for i, c := range changes {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(jsonscan.AppendString(body, c.ID), ':')
		body = appendRevList(body, c.Revs)
	}
	resp, err := p.request(ctx, http.MethodPost, "_revs_diff", nil, append(body, '}'))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out []Wanted
	a := newAnswer(ctx, resp.Body, false)
	err = a.eachMember(func(id string) error {
		raw, err := a.value()
		if err != nil {
			return err
		}
		w := Wanted{ID: strings.Clone(id)}
		err = jsonscan.EachMember(raw, func(name, value []byte) error {
			switch string(name) {
			case "missing":
				w.Revs, err = parseRevList(value)
			case "possible_ancestors":
				w.Ancestors, err = parseRevList(value)
			}
			return err
		})
		out = append(out, w)
		return err
	})
	return out, err
}

func parseRevList(raw []byte) (revs []revtree.Rev, err error) {
	err = jsonscan.EachElement(raw, func(e []byte) error {
		text, err := jsonscan.Text(e)
		if err != nil {
			return err
		}
		rev, err := revtree.Parse(text)
		revs = append(revs, rev)
		return err
	})
	return revs, err
}

func appendRevList(b []byte, revs []revtree.Rev) []byte {
	b = append(b, '[')
	for i, r := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, r.String())
	}
	return append(b, ']')
}
