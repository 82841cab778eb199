package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme/autocert"
)

// stuckFolder is one that answers when its user is gone.
type stuckFolder struct {
	autocert.Cache
	gone <-chan struct{}
}

func (f stuckFolder) Get(context.Context, string) ([]byte, error) {
	<-f.gone
	return nil, errors.New("the folder cannot be read")
}

// A server that stops does not wait for a certificate, and hears nothing of what comes of it.
func TestStopWhileACertificateIsAskedFor(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			p := &public{manager: &autocert.Manager{Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("example.org"), Cache: stuckFolder{gone: ctx.Done()}}}
			pair, err := p.certificate(ctx, "example.org")
			if pair != nil || err == nil {
				t.Errorf("%v, %v", pair, err)
			}
		})
	}
}
