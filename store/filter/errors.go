package filter

import "errors"

// Error says what is wrong with a query, in CouchDB's words.
type Error struct{ Word, Reason string }

func (e *Error) Error() string { return e.Reason }

func badRequest(reason string) error { return &Error{"bad_request", reason} }

var (
	// ErrNoFunctions says that a filter needs design documents, which are not available here.
	ErrNoFunctions = errors.New("filter: design functions do not run here")

	errDocIDs         = badRequest("`doc_ids` filter parameter is not a list of doc ids.")
	errSelectorPost   = badRequest("Selector must be specified in POST payload")
	errSelectorObject = badRequest("Selector error: expected a JSON object")
	errFields         = badRequest("Selector error: fields must be JSON array")
	errNoView         = badRequest("`view` filter parameter is not provided.")
	errViewForm       = badRequest("`view` must be of the form `designname/viewname`")
	errFilterForm     = badRequest("`filter` must be of the form `designname/filtername`")
	errNoSuchFilter   = badRequest("unknown builtin filter name")
	errNotJSON        = badRequest("invalid UTF-8 JSON")
	errKeysList       = &Error{"query_parse_error", "`keys` must be an array of strings."}
	errKeysRange      = &Error{"query_parse_error", "`keys` is incompatible with `key`, `start_key` and `end_key`"}
)
