package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/tododb/tododb/store/durable"
)

// localSocket is a socket in the file system. Only the user who runs the server may connect.
type localSocket struct {
	net.Listener
	path   string
	file   fs.FileInfo
	remove sync.Once
}

// listenLocal makes the socket. It replaces one that a server has left behind which did not end in
// an orderly way, and nothing else: of servers that start at the same time one gets it.
func listenLocal(ctx context.Context, path string) (*localSocket, error) {
	defer durable.Alone(path)()
	if err := clearSocket(ctx, path); err != nil {
		return nil, fmt.Errorf("[chttpd] socket: %w", err)
	}
	l, err := bindLocal(ctx, path)
	if errors.Is(err, syscall.EINVAL) {
		err = fmt.Errorf("%w: the path may be too long, sockets allow about 100 bytes", err)
	}
	if err != nil {
		return nil, fmt.Errorf("[chttpd] socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	s := &localSocket{Listener: l, path: path}
	if err = os.Chmod(path, 0o600); err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("[chttpd] socket: %w", err), l.Close(), os.Remove(path))
	}
	return s, nil
}

// bindLocal makes the socket. On Linux nobody else can connect to it from its first moment on.
// Elsewhere the caller has to see to that.
func bindLocal(ctx context.Context, path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var closed error
		err := raw.Control(func(fd uintptr) { closed = closeToOthers(fd) })
		return errors.Join(err, closed)
	}}
	return config.Listen(ctx, "unix", path)
}

// clearSocket removes a socket that nobody listens on.
func clearSocket(ctx context.Context, path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("another server is listening on %s", path), c.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return err
}

// Close ends it and removes the file, unless another one has taken its place.
func (s *localSocket) Close() error {
	s.remove.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
			os.Remove(s.path)
		}
	})
	return s.Listener.Close()
}

func (s *localSocket) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return localConn{c}, nil
}

// localConn is a connection from this machine, and says so: limits, logs and the trail ask for an address.
type localConn struct{ net.Conn }

func (localConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
}
