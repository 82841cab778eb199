package worker

import "time"

// Figures are the work and the present state of a pool.
type Figures struct {
	Processes, Busy int
	Memory          int64 // bytes, as far as known
	Started, Died   int64
	Calls           map[string]int64 // by the names in Calls
	Kills           map[string]int64 // by the names in Kills
}

// Calls describes the kinds of calls.
var Calls = map[string]string{
	"single": "calls of validation, filter, update, show and rewrite functions",
	"views":  "batches that map and reduce functions were given",
	"lists":  "calls of list functions",
}

// Kills describes the reasons to end processes.
var Kills = map[string]string{
	"time":      "processes ended since a function took too long",
	"memory":    "processes ended since a function used too much memory",
	"total":     "processes ended since all together used too much memory",
	"withdrawn": "processes ended since whoever had called was gone",
	"retired":   "processes ended since nobody asked for them, or they had grown, or had failed",
	"garbled":   "processes ended since what they wrote could not be read",
}

// Figures returns the present figures.
func (p *Pool) Figures() Figures {
	f := Figures{Started: p.began.Load(), Died: p.died.Load(), Calls: map[string]int64{}, Kills: map[string]int64{}}
	for name, c := range map[string]class{"single": single, "views": building, "lists": listing} {
		f.Calls[name] = p.calls[c].Load()
	}
	for name, c := range map[string]cause{"time": timedOut, "memory": tooLarge, "total": overBudget, "withdrawn": withdrawn, "retired": retired, "garbled": misspoke} {
		f.Kills[name] = p.kills[c].Load()
	}
	p.mu.Lock()
	all := make([]*process, 0, len(p.all))
	for w := range p.all {
		all = append(all, w)
	}
	p.mu.Unlock()
	f.Processes = len(all)
	for _, w := range all {
		w.mu.Lock()
		if w.began != (time.Time{}) {
			f.Busy++
		}
		w.mu.Unlock()
		if n, ok := w.meter.size(); ok {
			w.size.Store(n)
		}
		f.Memory += w.size.Load()
	}
	return f
}
