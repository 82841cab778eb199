package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// An administrator makes a user with a role, gives them another password, and deletes them.
func TestPageUsers(t *testing.T) {
	t.Parallel()
	p, b := servePage(t)
	b.signIn()
	b.click("link", "Users")
	b.sees("There are no users yet")
	b.click("button", "New user")
	b.fill("Name", "anna")
	b.fill("Roles", "kitchen, editors")
	b.click("button", "Make one")
	b.sees("Write it down")
	b.click("button", "Create")
	b.sees("anna can sign in now", "kitchen")
	b.everythingHasAName()

	// What the screen does not know stays in the user's document.
	doc := func() map[string]any {
		var m map[string]any
		if err := json.Unmarshal([]byte(p.do(200, "GET", "/_users/org.couchdb.user:anna", "")), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	had := doc()
	had["shoe"] = json.Number("12345678901234567890")
	body, _ := json.Marshal(had)
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", string(body))
	b.click("cell", "anna")
	b.fill("Roles", "kitchen")
	b.fill("New password", "a new one")
	b.click("button", "Save")
	b.sees("anna is changed")
	if got := doc(); fmt.Sprint(got["roles"]) != "[kitchen]" {
		t.Errorf("roles: %v", got["roles"])
	}
	if raw := p.do(200, "GET", "/_users/org.couchdb.user:anna", ""); !strings.Contains(raw, `"shoe":12345678901234567890`) {
		t.Errorf("the document lost a number: %s", raw)
	}
	req, _ := http.NewRequest("GET", p.base+"/_session", nil)
	req.SetBasicAuth("anna", "a new one")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 {
		t.Errorf("the new password: %v %v", res, err)
	}
	res.Body.Close()

	b.click("cell", "anna")
	b.click("button", "Delete…")
	b.fill("Type the name", "ann")
	b.press("\r")
	b.fill("Type the name", "anna")
	b.click("button", "Delete")
	b.sees("There are no users yet")
	p.do(404, "GET", "/_users/org.couchdb.user:anna", "")

	b.click("button", "New administrator")
	b.fill("Name", "root")
	b.fill("Password", "secret")
	b.click("button", "Create")
	b.sees("root is an administrator now")
	b.click("button", "Remove the administrator root")
	b.click("button", "Remove")
	b.sees("root is no administrator any more")
}

// Somebody makes a token for a device, sees it once with its QR code, and revokes it.
func TestPageTokens(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	b.signIn()
	b.click("link", "Device tokens")
	b.sees("There are no tokens")
	b.click("button", "New token")
	b.fill("Device", "Anna's phone")
	b.click("button", "Make it")
	b.sees("Name at least one database.")
	b.fill("Databases", "notes")
	b.click("button", "Make it")
	b.sees("It is shown only now")
	b.finds("image", "QR code with the address of the server, the databases and the token")
	b.everythingHasAName()
	token := strings.Trim(b.eval(`document.querySelector('dialog .copy code').textContent`), `"`)
	with := func() int {
		req, _ := http.NewRequest("GET", p.base+"/notes/_changes", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := with(); got != 200 {
		t.Errorf("with the token: %d", got)
	}
	b.click("button", "It is on the device")
	b.misses(token)
	b.click("button", "Revoke the token of Anna's phone")
	b.click("button", "Revoke")
	b.sees("There are no tokens")
	if got := with(); got != 401 {
		t.Errorf("with the revoked token: %d", got)
	}
}
