package httpapi_test

import "testing"

// The settings of a database for automatic purging are kept and given back.
func TestAutoPurge(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "GET", "/db/_auto_purge", "", "Admin", ""), 200, `{}`)
	wants(t, call(s, "PUT", "/db/_auto_purge", `{"deleted_document_ttl":"30_days"}`, "Admin", ""), 201, `{"ok":true}`)
	for _, body := range []string{`{"deleted_document_ttl":"soon"}`, `{"deleted_document_ttl":"0_day"}`, `{"deleted_document_ttl":-1}`, `{"other":"30_days"}`, `[]`, `{`, ``} {
		wants(t, call(s, "PUT", "/db/_auto_purge", body, "Admin", ""), 400, "bad_request")
	}
	wants(t, call(s, "PUT", "/db/_auto_purge", `{}`), 401, "unauthorized")
	wants(t, call(s, "GET", "/db/_auto_purge", "", "Admin", ""), 200, `{"deleted_document_ttl":"30_days"}`)
	wants(t, call(s, "PUT", "/db/_auto_purge", `{"deleted_document_ttl":"infinity"}`, "Admin", ""), 201, `{"ok":true}`)
	wants(t, call(s, "PUT", "/db/_auto_purge", `{}`, "Admin", ""), 201, `{"ok":true}`)
	wants(t, call(s, "GET", "/db/_auto_purge", "", "Admin", ""), 200, `{}`)
	wants(t, call(s, "GET", "/none/_auto_purge", "", "Admin", ""), 404, "Database does not exist.")
}
