package pg_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg"
)

// However an address is wrong, what is said of it has nothing of the password.
func TestAddressesHideTheirPassword(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://me:hidden@host:port/db",
		"postgres://me:hidden@host:1:2/db",
		"postgres://me:hid%zzden@host/db",
		"postgres://me:hid den@host/db",
		"postgres://me:hid:den@host/db",
		"postgres://me:hid/den@host/db",
		"postgres://me:hid#den@host/db",
		"postgres://me:hid?den@host/db",
		"postgres://me:hid@den@host:x/db",
		"postgres://me:hidden%@host/db",
		"postgres://me:hidden@host/db?sslmode=hiding",
		"postgres://me:hidden@host/db?sslmode=verify-full&sslrootcert=/nowhere/at/all",
		"postgres://me:hidden@host/db?connect_timeout=long",
		"postgres://me:hidden@host/db?pool_max_conns=many",
		"postgres://me:hidden@host/db?default_query_exec_mode=none",
		"postgres://me:hidden@[::1/db",
		"postgres://me@host:x/db?password=hidden",
		"postgres://me@host:x/db?sslpassword=hid%20den",
		"postgres://me@host/db?password=hidden%",
	} {
		_, err := pg.Open(t.Context(), pg.Options{URL: address, Patience: time.Millisecond})
		for _, err := range []error{err, pg.Init(t.Context(), address)} {
			if err == nil {
				t.Fatalf("%s is no error", address)
			}
			for _, part := range []string{"hid", "den"} {
				if strings.Contains(strings.ReplaceAll(err.Error(), "hiding", ""), part) {
					t.Errorf("%s: %v", address, err)
				}
			}
		}
	}
}
