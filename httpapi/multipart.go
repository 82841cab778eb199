package httpapi

import (
	"crypto/rand"
	"encoding/hex"
)

// newBoundary makes a line that no part of a message holds.
func newBoundary() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}
