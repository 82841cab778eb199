package transfer

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tododb/tododb/store/jsonscan"
)

// sameContent compares two forms of a document, but for its revision.
func sameContent(ours, theirs []byte) (bool, error) {
	if jsonscan.Kind(theirs) != '{' {
		return false, nil // it has been deleted in the meantime
	}
	a, atts, err := content(ours)
	if err != nil {
		return false, err
	}
	b, theirAtts, err := content(theirs)
	if err != nil || !bytes.Equal(a, b) || len(atts) != len(theirAtts) {
		return false, err
	}
	for name, one := range atts {
		if other, there := theirAtts[name]; !there || one != other {
			return false, nil
		}
	}
	return true, nil
}

// attachment is what makes up an attachment.
type attachment struct{ kind, data string }

// content is a document without its special members and without blanks, and its attachments.
func content(doc []byte) (body []byte, atts map[string]attachment, err error) {
	body, atts = []byte{'{'}, map[string]attachment{}
	err = jsonscan.EachMember(doc, func(name, value []byte) error {
		if string(name) == "_attachments" {
			return readAttachments(value, atts)
		}
		if len(name) > 0 && name[0] == '_' {
			return nil
		}
		compact := jsontext.Value(bytes.Clone(value))
		if err := compact.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
			return err
		}
		body = append(append(append(jsonscan.AppendString(body, name), ':'), compact...), ',')
		return nil
	})
	return body, atts, err
}

func readAttachments(list []byte, atts map[string]attachment) error {
	return jsonscan.EachMember(list, func(name, one []byte) error {
		a := attachment{kind: "application/octet-stream"}
		err := jsonscan.EachMember(one, func(member, value []byte) (err error) {
			switch string(member) {
			case "content_type":
				a.kind, err = jsonscan.Text(value)
			case "data":
				a.data, err = jsonscan.Text(value)
			}
			return err
		})
		atts[string(name)] = a
		return err
	})
}
