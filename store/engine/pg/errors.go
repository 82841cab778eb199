package pg

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tododb/tododb/store/engine"
)

// Codes of PostgreSQL's errors that mean something here (appendix A of its manual).
const (
	codeUniqueViolation  = "23505"
	codeReadOnly         = "25006"
	codeNotSupported     = "0A000"
	codeIdleTimeout      = "25P03"
	codeSerialization    = "40001"
	codeUnknownOutcome   = "40003"
	codeDeadlock         = "40P01"
	codeDiskFull         = "53100"
	codeTooManyConns     = "53300"
	codeTooLarge         = "54000"
	codeLockNotAvailable = "55P03"
	codeCanceled         = "57014"
	codeAdminShutdown    = "57P01"
	codeCrashShutdown    = "57P02"
	codeCannotConnect    = "57P03"
	codeDataCorrupted    = "XX001"
	codeIndexCorrupted   = "XX002"
	codeNoTable          = "42P01"
)

// code is the code of a server's error, "" if it is none.
func code(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// errOnlyReads says that the server is a standby: the address has led to another one.
var errOnlyReads = errors.New("the server only reads")

// onlyReads reports whether that is what a statement has failed of.
func onlyReads(err error, sql string) bool {
	c := code(err)
	return c == codeReadOnly || c == codeNotSupported && sql == beginWrite
}

// answered reports whether the server itself has said what went wrong, before a commit.
func answered(err error) bool {
	c := code(err)
	return c != "" && c != codeUnknownOutcome
}

// passing reports whether what went wrong before a commit may go right a moment later.
func passing(err error) bool {
	switch c := code(err); c {
	case codeSerialization, codeDeadlock, codeLockNotAvailable, codeUniqueViolation, codeAdminShutdown, codeCrashShutdown,
		codeCannotConnect, codeTooManyConns, codeIdleTimeout, codeReadOnly:
		return true
	case codeNotSupported:
		return errors.Is(err, errOnlyReads)
	case "":
		return lost(err)
	default:
		return c[:2] == "08"
	}
}

// lost reports whether an error is that of a connection.
func lost(err error) bool {
	switch {
	case err == nil, code(err) != "":
		return false
	case errors.Is(err, engine.ErrNoDB), errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrTooLarge), errors.Is(err, engine.ErrDuplicate):
		return false
	}
	return true
}

// translate makes an engine's error of one of a round trip that has certainly committed nothing.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrNoDB), errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrTooLarge), errors.Is(err, engine.ErrDuplicate),
		errors.Is(err, engine.ErrUnknown), errors.Is(err, engine.ErrUnavailable):
		return err
	}
	switch code(err) {
	case codeUniqueViolation:
		return fmt.Errorf("%w: %w", engine.ErrDuplicate, err)
	case codeDiskFull:
		return fmt.Errorf("%w: %w", engine.ErrFull, err)
	case codeTooLarge:
		return fmt.Errorf("%w: %w", engine.ErrTooLarge, err)
	case codeDataCorrupted, codeIndexCorrupted:
		return fmt.Errorf("%w: %w", engine.ErrForeign, err)
	case codeNoTable:
		return fmt.Errorf("%w: %w: %w", engine.ErrUnavailable, ErrNoSchema, err)
	}
	return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
}
