package main

import (
	"log/slog"
	"path/filepath"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/script/worker"
)

// workers starts the pool of processes that run functions of design documents. Their working
// directory is always the same one in the data folder, so a crash leaves nothing behind.
func workers(cfg *config.Config, data string, log *slog.Logger) (*worker.Pool, error) {
	return worker.New(workerOptions(cfg, data, log))
}

func workerOptions(cfg *config.Config, data string, log *slog.Logger) worker.Options {
	const section = "query_server_config"
	one, all := functionsMemory(cfg)
	return worker.Options{
		Timeout: cfg.Duration("couchdb", "os_process_timeout"),
		Memory:  one, TotalMemory: all,
		Workers: int(cfg.Int(section, "os_process_limit")), Idle: cfg.Duration(section, "os_process_idle_limit"),
		Reductions: script.Reductions(cfg.String(section, "reduce_limit")),
		Folder:     filepath.Join(data, "empty"), Log: log,
	}
}

// functionsMemory returns how much memory one function process may have here, and how much
// all of them together.
func functionsMemory(cfg *config.Config) (one, all int64) {
	const section = "query_server_config"
	return shareOfGroup(groupMemory("/sys/fs/cgroup", "/proc/self/cgroup"),
		cfg.Int(section, "os_process_memory_limit"), cfg.Int(section, "os_process_memory_total"))
}

// shareOfGroup limits the memory of one function process, and of all together, to half of
// what their control group has. They share the group with the server. All sizes are in bytes;
// a group of 0 has no limit.
func shareOfGroup(group, one, all int64) (int64, int64) {
	if group > 0 {
		all = min(all, group/2)
	}
	return min(one, all), all
}

// compilers returns the compilers for the languages of design documents.
func compilers(functions script.Host) view.Compilers {
	return view.Compilers{"javascript": javascript.Compiler(functions), mango.Language: mango.Compiler}
}
