//go:build !linux && !darwin && !freebsd && !windows

package disk

import "errors"

// Of asks the system about the disk that a folder is on.
func Of(string) (Space, error) { return Space{}, errors.ErrUnsupported }
