// Package widetest sets apart the tests that make test leaves to make wide, so that make test takes a few minutes: of what is
// attacked, killed, cut off and very large, and of the finer points of the page, make test has samples. CI runs both.
package widetest

import (
	"os"
	"testing"
)

// env has such tests run, in the short form too; make wide sets it.
const env = "TODODB_TEST_WIDE"

// Only skips the test in make test. It is the first thing in a test: make wide finds the tests by that.
func Only(t *testing.T) {
	t.Helper()
	if testing.Short() && os.Getenv(env) == "" {
		t.Skip("make wide runs it")
	}
}
