package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// PostgreSQL is killed under load and started again at once: what was acknowledged is there, and the
// processes go on by themselves.
func TestPGServerKilled(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	c, processes := countedCluster(t, server.Schema(t), 2)
	f := startFleet(t, c, processes...)
	rounds(t, 1, func(int) {
		f.work(20, 200*time.Millisecond)
		server.Kill(t)
		if err := server.Run(); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		f.work(20, 0)
		t.Logf("writers went on after %v", time.Since(back).Round(time.Millisecond))
	})
	f.check()
}

// The primary is killed under load, and the standby that has had each commit before it was acknowledged
// takes its place. The processes have both addresses, and find the one that can be written to.
func TestPGFailover(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	primary := pgtest.Start(t, pgtest.Options{Durable: true})
	standby := primary.Standby(t)
	storage := primary.Schema(t)
	u, err := url.Parse(storage)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", primary.Port, standby.Port)
	c, processes := countedCluster(t, u.String()+"&target_session_attrs=read-write&connect_timeout=2", 2)
	f := startFleet(t, c, processes...)
	rounds(t, 1, func(round int) {
		if round > 0 { // a new one, where the primary was
			port := primary.Port
			primary.Close()
			primary, standby = standby, standby.StandbyAt(t, port)
		}
		f.work(20, 200*time.Millisecond)
		primary.Kill(t)
		standby.Promote(t)
		back := time.Now()
		f.work(20, time.Second)
		t.Logf("writers went on after %v", time.Since(back).Round(time.Millisecond))
	})
	f.check()
}

// The answer to a commit does not arrive. Whether the connection ends or says nothing more, the process
// finds out that the commit took place, and acknowledges it. It happens once only.
func TestPGAnswerLost(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	answerLost(t, true)
}

// Silence is waited for: a test of its own, so that it need not be the last.
func TestPGAnswerStalled(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	answerLost(t, false)
}

func answerLost(t *testing.T, cut bool) {
	t.Helper()
	c, processes := countedCluster(t, pgtest.URL(t), 1)
	wired, wire := c.startWired()
	f := startFleet(t, c, processes[0], wired)
	rounds(t, 1, func(round int) {
		f.work(10, 0)
		id := fmt.Sprintf("answer-lost-%d", round)
		wired.do(200, "GET", "/load", "")
		before := time.Now()
		sprung := wire.set(pgTrap{statement: "commit", after: id, answer: true, cut: cut})
		done := make(chan string, 1)
		go func() {
			answer, err := http.DefaultClient.Do(wired.request("PUT", "/copy/"+id, `{"x":1}`))
			if err != nil {
				done <- err.Error()
				return
			}
			answer.Body.Close()
			done <- answer.Status
		}()
		waitFor(t, sprung, wired)
		// The other process sees it, and is not held up.
		processes[0].do(200, "GET", "/copy/"+id, "")
		f.work(10, 0)
		select {
		case status := <-done:
			if !strings.HasPrefix(status, "201") {
				t.Errorf("the write: %s", status)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("no answer\n%s", wired.log)
		}
		t.Logf("it was acknowledged after %v", time.Since(before).Round(time.Millisecond))
		if got := processes[0].do(200, "GET", "/copy/"+id+"?revs=true", ""); !strings.Contains(got, `"start":1,`) {
			t.Errorf("it was written more than once: %s", got)
		}
	})
	f.check()
}

// upAnswered is within what _up is answered when the storage is away: three seconds, with room for a busy machine.
const upAnswered = 15 * time.Second

// spaces counts network namespaces.
var spaces atomic.Int32

// apartEnv is set in a process that has networks of its own.
const apartEnv = "TODODB_TEST_APART"

// apart runs a test again by itself, in a process whose networks nobody else has, and says whether it did.
// Browsers end all requests when the networks of their machine change, so other tests could not run beside it.
func apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apartEnv) != "" {
		return false
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	n := newNamespace(t)
	args := []string{os.Args[0], "-test.v", "-test.run", "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := n.command(args...)
	cmd.Env = append(os.Environ(), apartEnv+"=1", programEnv+"="+path)
	out, err := cmd.CombinedOutput()
	t.Logf("in a process of its own:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	if name := "--- SKIP: " + t.Name() + " "; bytes.Contains(out, []byte(name)) {
		t.SkipNow()
	}
	return true
}

// cuttable is a namespace of the kernel's with two links to this one.
type cuttable struct {
	t     testing.TB
	id    int
	name  string
	here  [2]string // addresses on this side
	there [2]string // on the other side

	linkHere, linkInside [2]string
}

// newNamespace makes a namespace without links, or skips the test where that is not allowed.
func newNamespace(t testing.TB) *cuttable {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("namespaces of networks need root on Linux")
	}
	if _, err := exec.LookPath("ip"); err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	n := &cuttable{t: t, id: int(spaces.Add(1)) + os.Getpid()%10_000*4}
	n.name = fmt.Sprintf("td%d", n.id)
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("no namespaces of networks here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.name).Run() })
	n.run("ip", "link", "set", "lo", "up")
	return n
}

// newNetwork makes one with links to this process's own.
func newNetwork(t testing.TB) *cuttable {
	t.Helper()
	n := newNamespace(t)
	for i := range 2 {
		outside, inside := fmt.Sprintf("%so%d", n.name, i), fmt.Sprintf("%si%d", n.name, i)
		base := fmt.Sprintf("10.%d.%d.", 200+n.id/256%50, n.id%256)
		n.here[i], n.there[i], n.linkHere[i], n.linkInside[i] = fmt.Sprint(base, i*4+1), fmt.Sprint(base, i*4+2), outside, inside
		for _, args := range [][]string{
			{"link", "add", outside, "type", "veth", "peer", "name", inside, "netns", n.name},
			{"addr", "add", n.here[i] + "/30", "dev", outside}, {"link", "set", outside, "up"},
		} {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Skipf("ip %v: %v %s", args, err, out)
			}
		}
		n.run("ip", "addr", "add", n.there[i]+"/30", "dev", inside)
		n.run("ip", "link", "set", inside, "up")
	}
	return n
}

// run runs a command inside.
func (n *cuttable) run(args ...string) {
	n.t.Helper()
	if out, err := n.command(args...).CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %v %s", args, err, out)
	}
}

func (n *cuttable) command(args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.name}, args...)...)
}

// linkDown and linkUp cut and mend the first link, in both directions.
func (n *cuttable) linkDown() { n.run("ip", "link", "set", n.linkInside[0], "down") }
func (n *cuttable) linkUp()   { n.run("ip", "link", "set", n.linkInside[0], "up") }

// noCard is an address of a network card that none has. What is sent to it is lost, and no error tells the
// sender: that needs neither a packet filter nor a module of the kernel.
const noCard = "02:00:5e:00:00:01"

// loseOutgoing has all be lost that goes out through the first link, loseIncoming what comes in, and findAgain ends both.
func (n *cuttable) loseOutgoing() {
	n.run("ip", "neigh", "replace", n.here[0], "lladdr", noCard, "dev", n.linkInside[0], "nud", "permanent")
}

func (n *cuttable) loseIncoming() {
	n.runHere("ip", "neigh", "replace", n.there[0], "lladdr", noCard, "dev", n.linkHere[0], "nud", "permanent")
}

func (n *cuttable) findAgain() {
	n.run("ip", "neigh", "flush", "dev", n.linkInside[0], "nud", "permanent")
	n.runHere("ip", "neigh", "flush", "dev", n.linkHere[0], "nud", "permanent")
}

// runHere runs a command on this side.
func (n *cuttable) runHere(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %v %s", args, err, out)
	}
}

// A process is cut off from PostgreSQL, in both directions or in one, while it writes. Others go on within
// the time after which the server gives a lock up; the one that was cut off refuses what it cannot do, and
// goes on when the network is back.
//
// It has the networks of its machine to itself: it runs in a process and a namespace of its own (apart).
func TestPGNetworkCut(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	for _, one := range []struct {
		name      string
		cut, mend func(*cuttable)
	}{
		{"link down", (*cuttable).linkDown, (*cuttable).linkUp},
		{"nothing goes out", (*cuttable).loseOutgoing, (*cuttable).findAgain},
		{"nothing comes in", (*cuttable).loseIncoming, (*cuttable).findAgain},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			if apart(t) {
				return
			}
			n := newNetwork(t)
			// The first link is to PostgreSQL, the second to the process.
			server := pgtest.Start(t, pgtest.Options{Listen: n.here[0], Trusted: n.there[0] + "/32"})
			storage := server.Schema(t)
			c, processes := countedCluster(t, storage, 1)
			inside := c.startInside(n, strings.Replace(c.url, "127.0.0.1", n.here[0], 1))
			f := startFleet(t, c, processes[0], inside)
			rounds(t, 1, func(round int) {
				f.work(20, 200*time.Millisecond)
				one.cut(n)
				away := time.Now()
				f.gone(inside)
				// It moves no sequence, and needs the lock. The writers may all be waiting at the other process.
				processes[0].do(201, "PUT", fmt.Sprintf("/load/_local/lock-%d", round), `{}`)
				took := time.Since(away)
				t.Logf("the lock was free after %v", took.Round(time.Millisecond))
				if took > lockFreed {
					t.Errorf("the lock was held for %v", took)
				}
				f.work(20, 0)
				asked := time.Now()
				if status, text := inside.try("GET", "/_up", ""); status != 503 {
					t.Errorf("_up without PostgreSQL: %d %s", status, text)
				}
				if took := time.Since(asked); took > upAnswered {
					t.Errorf("_up without PostgreSQL was answered after %v", took)
				}
				one.mend(n)
				back := time.Now()
				within(t, time.Minute, func() bool { status, _ := inside.try("GET", "/_up", ""); return status == 200 })
				t.Logf("the process was back after %v", time.Since(back).Round(time.Millisecond))
				f.joins(inside)
				f.work(20, 0)
			})
			f.check()
		})
	}
}

// startInside starts a process in a network.
func (c *cluster) startInside(n *cuttable, storage string) *process {
	c.t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	return (&cluster{t: c.t, url: storage, network: n.name, listen: net.JoinHostPort(n.there[1], port)}).start()
}
