package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tododb/tododb/store/engine"
)

// Whatever PostgreSQL, its driver and the network say is an engine's error, and so is what nobody has thought of.
func TestEveryErrorIsTyped(t *testing.T) {
	t.Parallel()
	of := func(code string) error { return &pgconn.PgError{Code: code, Severity: "FATAL"} }
	closed := &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed}
	for _, one := range []struct{ err, want error }{
		{of("08000"), engine.ErrUnavailable}, {of("08006"), engine.ErrUnavailable}, {of("08P01"), engine.ErrUnavailable},
		{of("25006"), engine.ErrUnavailable}, {of("25P03"), engine.ErrUnavailable}, {of("25P02"), engine.ErrUnavailable},
		{of("40001"), engine.ErrUnavailable}, {of("40P01"), engine.ErrUnavailable}, {of("55P03"), engine.ErrUnavailable},
		{of("53000"), engine.ErrUnavailable}, {of("53200"), engine.ErrUnavailable}, {of("53300"), engine.ErrUnavailable},
		{of("57014"), engine.ErrUnavailable}, {of("57P01"), engine.ErrUnavailable}, {of("57P02"), engine.ErrUnavailable},
		{of("57P03"), engine.ErrUnavailable}, {of("57P05"), engine.ErrUnavailable}, {of("28P01"), engine.ErrUnavailable},
		{of("3D000"), engine.ErrUnavailable}, {of("42P01"), engine.ErrUnavailable}, {of("58030"), engine.ErrUnavailable},
		{of("XX000"), engine.ErrUnavailable}, {of("YY123"), engine.ErrUnavailable},
		{of("53100"), engine.ErrFull}, {of("23505"), engine.ErrDuplicate}, {of("54000"), engine.ErrTooLarge},
		{of("XX001"), engine.ErrForeign}, {of("XX002"), engine.ErrForeign},
		{io.EOF, engine.ErrUnavailable}, {io.ErrUnexpectedEOF, engine.ErrUnavailable}, {closed, engine.ErrUnavailable},
		{syscall.ECONNRESET, engine.ErrUnavailable}, {syscall.ECONNREFUSED, engine.ErrUnavailable}, {os.ErrDeadlineExceeded, engine.ErrUnavailable},
		{&net.DNSError{Name: "db", IsNotFound: true}, engine.ErrUnavailable}, {pgx.ErrNoRows, engine.ErrUnavailable},
		{context.DeadlineExceeded, engine.ErrUnavailable}, {errors.New("conn closed"), engine.ErrUnavailable},
		{final{engine.ErrUnknown}, engine.ErrUnknown}, {engine.ErrNoDB, engine.ErrNoDB}, {engine.ErrClosed, engine.ErrClosed},
		// What the caller has ended, or his function says, is his own.
		{final{context.Canceled}, context.Canceled}, {final{io.ErrNoProgress}, io.ErrNoProgress},
	} {
		for _, err := range []error{one.err, fmt.Errorf("read: %w", one.err)} {
			if got := result(err); !errors.Is(got, one.want) {
				t.Errorf("%v (%T) becomes %v", err, one.err, got)
			}
		}
	}
}
