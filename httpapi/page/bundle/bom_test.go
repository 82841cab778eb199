package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The bill of materials keeps what it has, and gets what is in the page with its version and sum.
func TestBillOfMaterials(t *testing.T) {
	if _, err := os.Stat("../node_modules/preact"); err != nil {
		t.Skip("npm has not installed the packages")
	}
	file := filepath.Join(t.TempDir(), "bill.json")
	before := `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"metadata":{"component":{"bom-ref":"prog","type":"application","name":"prog"}},` +
		`"components":[{"bom-ref":"pkg:golang/x@v1","type":"library","name":"x","purl":"pkg:golang/x@v1"}],` +
		`"dependencies":[{"ref":"prog","dependsOn":["pkg:golang/x@v1"]}]}`
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := addToBill("..", file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for _, want := range []string{`"specVersion": "1.6"`, `"pkg:golang/x@v1"`, `"purl": "pkg:npm/preact@`, `"purl": "pkg:npm/%40codemirror/state@`, `"group": "@codemirror"`, `"SHA-512"`, `"MIT"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the bill lacks %s\n%.2000s", want, got)
		}
	}
	for _, tool := range []string{"typescript", "esbuild"} { // they make the page, and are not in it
		if strings.Contains(got, "pkg:npm/"+tool+"@") {
			t.Errorf("the bill has %s", tool)
		}
	}
}
