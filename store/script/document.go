package script

import "github.com/tododb/tododb/store/jsonscan"

// Document is the body of a design document. To look into it runs nothing.
type Document struct{ body []byte }

// ParseDocument takes the body, which is not to be changed any more. What is no JSON object
// has no functions.
func ParseDocument(body []byte) *Document {
	trimmed, err := jsonscan.Trim(body)
	if err != nil || jsonscan.Kind(trimmed) != '{' {
		trimmed = []byte("{}")
	}
	return &Document{trimmed}
}

// Body is the document as JSON.
func (d *Document) Body() []byte { return d.body }

// Language is what the functions are written in; only javascript is run.
func (d *Document) Language() string {
	if language, err := jsonscan.Text(memberOf(d.body, "language")); err == nil {
		return language
	}
	return "javascript"
}

// Has tells whether the document has something at a path.
func (d *Document) Has(path ...string) bool { return d.Find(path...) == nil }

// Member gives a member of the document as JSON; nil if there is none.
func (d *Document) Member(name string) []byte { return memberOf(d.body, name) }

// Find is Has as an error: *Error of kind Missing, that names what is missing.
func (d *Document) Find(path ...string) error {
	value := d.body
	for _, name := range path {
		if value = memberOf(value, name); value == nil {
			return missingError(name)
		}
	}
	return nil
}
