package engine

import (
	"errors"
	"fmt"
	"syscall"
)

// SystemError recognizes what the operating system has run out of: the result is ErrFull or ErrTooManyOpen
// then, and else the error itself.
func SystemError(err error) error {
	switch {
	case errors.Is(err, ErrFull), errors.Is(err, ErrTooManyOpen):
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG), errors.Is(err, diskFull):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: %w", ErrTooManyOpen, err)
	}
	return err
}
