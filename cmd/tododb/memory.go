package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/config"
)

// limitMemory tells the garbage collector how much memory there is where the process runs in
// a control group that bounds it: near the bound it then works harder, where otherwise it
// would wait until there is twice as much, and the kernel would end the process. A tenth
// is left to what is not the collector's, and what processes of functions may have to them:
// what the collector lets lie would keep them from starting long after it is of use to
// anybody. GOMEMLIMIT in the environment goes before it.
func limitMemory(cfg *config.Config, log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := groupMemory("/sys/fs/cgroup", "/proc/self/cgroup"); limit > 0 {
		_, functions := functionsMemory(cfg)
		debug.SetMemoryLimit(collectorsMemory(limit, functions))
		log.Info("memory", "limit", limit, "functions", functions)
	}
}

// collectorsMemory is what the collector goes by in a group that has so much, of which
// functions may have their part.
func collectorsMemory(group, functions int64) int64 { return group - group/10 - functions }

// groupMemory is the least bound of the control groups that the process is in, of the
// first kind or the second; 0: there is none.
func groupMemory(root, self string) int64 {
	text, err := os.ReadFile(self)
	if err != nil {
		return 0 // no Linux
	}
	least := int64(math.MaxInt64)
	look := func(dir, path, name string) {
		for { // a group is bound by those above it too
			if raw, err := os.ReadFile(dir + path + "/" + name); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64); err == nil && n > 0 {
					least = min(least, n)
				}
			}
			if path == "" {
				return
			}
			path = path[:strings.LastIndexByte(path, '/')]
		}
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		path := strings.TrimSuffix(parts[2], "/")
		if path != "" && path[0] != '/' {
			continue
		}
		switch {
		case parts[1] == "":
			look(root, path, "memory.max")
		case strings.Contains(","+parts[1]+",", ",memory,"):
			look(root+"/memory", path, "memory.limit_in_bytes")
		}
	}
	if least > 1<<50 { // the first kind says so when there is no bound
		return 0
	}
	return least
}
