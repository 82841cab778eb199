package replicate

import (
	"cmp"
	"time"
)

// Settings say how many jobs run and for how long, as CouchDB's [replicator] does. Zero
// values stand for CouchDB's defaults.
type Settings struct {
	MaxJobs       int           // jobs that run at once (500)
	Interval      time.Duration // how often running continuous jobs make room for waiting ones (60 s)
	MaxChurn      int           // how many of them at a time (20)
	StartupJitter time.Duration // jobs start spread over this time after the server starts (5 s); negative: at once
	MaxHistory    int           // events remembered for each job (20)
	FirstPause    time.Duration // after a job's first failure; doubles with each in a row, up to 1024 times as long (30 s)
	Networks      Networks      // where jobs may connect to
	Headers       Headers       // what jobs may not send
	UpdateDocs    bool          // also write the states triggered and error into documents of _replicator
	Defaults      Defaults      // for what a job does not say
}

// Defaults apply to what a job does not say. Zero values stand for the defaults in Spec.
type Defaults struct {
	CheckpointInterval, Silence              time.Duration
	BatchSize, Workers, Retries, Connections int
	NoCheckpoints                            bool
}

// inherit fills in what a job does not say.
func (s *Spec) inherit(d Defaults) {
	s.CheckpointInterval, s.silence = cmp.Or(s.CheckpointInterval, d.CheckpointInterval), cmp.Or(s.silence, d.Silence)
	s.BatchSize, s.Workers = cmp.Or(s.BatchSize, d.BatchSize), cmp.Or(s.Workers, d.Workers)
	s.Retries, s.Connections = cmp.Or(s.Retries, d.Retries), cmp.Or(s.Connections, d.Connections)
	s.NoCheckpoints = s.NoCheckpoints || d.NoCheckpoints && !s.saysCheckpoints
	s.setDefaults()
}

// healthy is how long a job must run before its earlier failures are forgotten.
const healthy = 2 * time.Minute

func (s Settings) withDefaults() Settings {
	if s.MaxJobs <= 0 {
		s.MaxJobs = 500
	}
	if s.Interval <= 0 {
		s.Interval = time.Minute
	}
	if s.MaxChurn <= 0 {
		s.MaxChurn = 20
	}
	if s.StartupJitter == 0 {
		s.StartupJitter = 5 * time.Second
	}
	if s.MaxHistory <= 0 {
		s.MaxHistory = 20
	}
	if s.FirstPause <= 0 {
		s.FirstPause = 30 * time.Second
	}
	return s
}

// SetSettings changes the settings while jobs run.
func (m *Manager) SetSettings(s Settings) {
	m.mu.Lock()
	m.set = s.withDefaults()
	m.line.Slots = m.set.MaxJobs
	m.mu.Unlock()
	m.ways.setNetworks(s.Networks)
	m.wake()
}

func (m *Manager) settings() Settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.set
}
