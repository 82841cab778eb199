//go:build !linux && !darwin

package health

import "errors"

func fileSystem(string) (string, error) { return "", errors.ErrUnsupported }

func fileNodes(string) (free, all uint64, err error) { return 0, 0, errors.ErrUnsupported }
