package replicate

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/tododb/tododb/store"
)

// localPeerOf is a database of a store, for a user who may do everything.
func localPeerOf(s *store.Store, name string) Peer {
	return &localPeer{store: s, name: name, open: func(ctx context.Context) (*store.DB, error) {
		return Everything(s)(ctx, name, User{})
	}}
}

// remotePeerAt is a database behind HTTP, with a session of its own.
func remotePeerAt(at Endpoint, client *http.Client) Peer {
	return newRemotePeer(at, client, newLogin(&at, client))
}

// newClient makes the HTTP client of an administrator. trust says which certificates are
// trusted; nil: as the system says.
func newClient(trust *tls.Config) *http.Client {
	return newWays(trust, nil).client(User{Admin: true}, nil)
}
