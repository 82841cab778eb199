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

// limitMemory tells the garbage collector the memory limit of the control group, if there is
// one. The collector then works harder near the limit. Otherwise it would let the heap double,
// and the kernel would kill the process. We leave a tenth to memory that the collector does
// not manage, and leave the function processes their share. Otherwise garbage in the server
// could keep them from starting. GOMEMLIMIT in the environment takes precedence.
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

// collectorsMemory returns the collector's limit, given the group's limit and the functions'
// share of it.
func collectorsMemory(group, functions int64) int64 { return group - group/10 - functions }

// groupMemory returns the lowest memory limit of the process's control groups, of version 1
// or 2; 0: there is none.
func groupMemory(root, self string) int64 {
	text, err := os.ReadFile(self)
	if err != nil {
		return 0 // not Linux
	}
	least := int64(math.MaxInt64)
	look := func(dir, path, name string) {
		for { // the limits of the groups above apply too
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
	if least > 1<<50 { // version 1 reports a huge number if there is no limit
		return 0
	}
	return least
}
