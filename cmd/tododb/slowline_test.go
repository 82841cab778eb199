package main

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowLine is a slow line to a server. Bytes arrive late, and no faster than the line can carry.
// All connections share it.
type slowLine struct {
	target    string
	roundTrip time.Duration
	rate      float64 // bytes per second, each way
	listener  net.Listener
	works     sync.WaitGroup

	down atomic.Int64 // bytes that the client got

	mu       sync.Mutex // guards what follows
	free     [2]time.Time
	cutEvery int64 // bytes that the client gets before its connection is cut; 0: it never is
	cuts     int   // still to come
	sinceCut int64
	open     map[net.Conn]bool
	closed   bool
}

// openSlowLine opens a line to a server's address, and closes it when the test ends.
func openSlowLine(t testing.TB, target string, roundTrip time.Duration, bitsPerSecond float64) *slowLine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &slowLine{target: target, roundTrip: roundTrip, rate: bitsPerSecond / 8, listener: listener, open: map[net.Conn]bool{}}
	l.works.Go(l.accept)
	t.Cleanup(func() {
		listener.Close()
		l.mu.Lock()
		l.closed = true
		for c := range l.open {
			c.Close()
		}
		l.mu.Unlock()
		l.works.Wait()
	})
	return l
}

func (l *slowLine) base() string { return "http://" + l.listener.Addr().String() }

// cut makes the line break so many times, each time after so many bytes.
func (l *slowLine) cut(times int, every int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts, l.cutEvery, l.sinceCut = times, every, 0
}

func (l *slowLine) cutsLeft() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts
}

func (l *slowLine) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.works.Go(func() {
			time.Sleep(l.roundTrip) // as long as it takes to connect
			server, err := net.Dial("tcp", l.target)
			if err != nil {
				client.Close()
				return
			}
			l.mu.Lock()
			l.open[client], l.open[server] = true, true
			if l.closed {
				client.Close()
				server.Close()
			}
			l.mu.Unlock()
			var both sync.WaitGroup
			both.Go(func() { l.carry(client, server, 0) })
			both.Go(func() { l.carry(server, client, 1) })
			both.Wait()
			l.mu.Lock()
			delete(l.open, client)
			delete(l.open, server)
			l.mu.Unlock()
		})
	}
}

// packet is bytes on their way.
type packet struct {
	bytes []byte
	due   time.Time
}

// carry brings bytes from one end to the other until one of them closes, and then closes both.
func (l *slowLine) carry(from, to net.Conn, direction int) {
	// A line holds no more than what is on its way.
	onTheWay := make(chan packet, 1+int(l.rate*l.roundTrip.Seconds()/2)/packetSize)
	gone := make(chan struct{})
	var out sync.WaitGroup
	out.Go(func() {
		defer close(gone)
		for p := range onTheWay {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
			if direction == 1 && l.arrived(len(p.bytes)) {
				time.Sleep(100 * time.Millisecond) // what has arrived and was not read is lost, and counts as come
				to.(*net.TCPConn).SetLinger(0)
				return
			}
		}
	})
	for {
		b := make([]byte, packetSize)
		n, err := from.Read(b)
		if n > 0 {
			select {
			case onTheWay <- packet{b[:n], l.send(n, direction)}:
			case <-gone:
				err = net.ErrClosed
			}
		}
		if err != nil {
			break
		}
		select {
		case <-gone:
			err = net.ErrClosed
		default:
		}
		if err != nil {
			break
		}
	}
	close(onTheWay)
	out.Wait()
	from.Close()
	to.Close()
}

const packetSize = 1400

// send waits until the line can take bytes, and tells when they arrive.
func (l *slowLine) send(n, direction int) time.Time {
	l.mu.Lock()
	free := l.free[direction]
	if now := time.Now(); free.Before(now) {
		free = now
	}
	free = free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	l.free[direction] = free
	l.mu.Unlock()
	time.Sleep(time.Until(free))
	return free.Add(l.roundTrip / 2)
}

// arrived counts what the client got, and tells whether the line breaks now.
func (l *slowLine) arrived(n int) (breaks bool) {
	l.down.Add(int64(n))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sinceCut += int64(n)
	if l.cuts > 0 && l.sinceCut >= l.cutEvery {
		l.cuts--
		l.sinceCut = 0
		return true
	}
	return false
}
