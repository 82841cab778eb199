package httpapi_test

import "testing"

// A selector as validate_doc_update refuses the documents that it does not select, whoever writes
// them and however.
func TestValidationBySelector(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	refused := `{"error":"forbidden","reason":"document is not valid"}`
	runDocSteps(t, s, []docStep{
		{"PUT", "/db/_design/v", `{"language":"query","validate_doc_update":{"year":1}}`, 400, "~^{\"error\":\"invalid_selector\",\"reason\":\"`validate_doc_update` may only have conditions on newDoc and oldDoc, not on: year\"}"},
		{"PUT", "/db/_design/v", `{"language":"query","validate_doc_update":{"newDoc":{"year":{"$x":1}}}}`, 400, `~^{"error":"invalid_operator"`},
		{"PUT", "/db/_design/v", `{"validate_doc_update":{"newDoc":{"year":1}}}`, 400, `~invalid_design_doc`},
		{"PUT", "/db/_design/v", `{"language":"query","validate_doc_update":{"newDoc":{"year":{"$type":"number"}},"$or":[{"oldDoc":{"$exists":false}},{"oldDoc.state":"draft"}]}}`, 201, `~`},
		{"PUT", "/db/a", `{"year":"x"}`, 403, refused},
		{"PUT", "/db/a", `{"year":1,"state":"draft"}`, 201, `~`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"b"},{"_id":"c","year":2}]}`, 201, `~"id":"b","error":"forbidden","reason":"document is not valid".*"ok":true,"id":"c"`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"d","_rev":"1-a"}]}`, 201, `~"forbidden"`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"e","_rev":"1-a","year":1,"state":"draft"}]}`, 201, `[]`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"e","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"year":2}]}`, 201, `[]`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"e","_rev":"3-c","_revisions":{"start":3,"ids":["c","b","a"]},"year":3}]}`, 201, `~"error":"forbidden"`},
	})
}
