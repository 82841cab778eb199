package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// A system without certificates of authorities, such as a container from scratch, gets those of the web.
func TestRootsAreThereWithoutTheSystem(t *testing.T) {
	if os.Getenv("TODODB_TEST_ROOTS") == "" {
		t.Parallel()
		child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		child.Env = append(os.Environ(), "TODODB_TEST_ROOTS=1", "SSL_CERT_FILE=/nowhere", "SSL_CERT_DIR=/nowhere")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	provideRoots()
	roots, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if roots.Equal(x509.NewCertPool()) {
		t.Error("there are none")
	}
}
