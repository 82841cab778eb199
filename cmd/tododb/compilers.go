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

// workers are the processes that functions of design documents run in. They stand in a folder
// of the data folder, which is ours alone and always the same: a crash leaves nothing.
func workers(cfg *config.Config, data string, log *slog.Logger) (*worker.Pool, error) {
	const section = "query_server_config"
	one, all := functionsMemory(cfg)
	return worker.New(worker.Options{
		Timeout: cfg.Duration("couchdb", "os_process_timeout"),
		Memory:  one, TotalMemory: all,
		Workers: int(cfg.Int(section, "os_process_limit")), Idle: cfg.Duration(section, "os_process_idle_limit"),
		Folder: filepath.Join(data, "empty"), Log: log,
	})
}

// functionsMemory is what one of the processes of functions and all together may have here.
func functionsMemory(cfg *config.Config) (one, all int64) {
	const section = "query_server_config"
	return shareOfGroup(groupMemory("/sys/fs/cgroup", "/proc/self/cgroup"),
		cfg.Int(section, "os_process_memory_limit"), cfg.Int(section, "os_process_memory_total"))
}

// shareOfGroup is what one of the processes of functions and all together may have, in
// bytes, where the control group that they are in with the server has so much, 0 for any: no
// more than half of that.
func shareOfGroup(group, one, all int64) (int64, int64) {
	if group > 0 {
		all = min(all, group/2)
	}
	return min(one, all), all
}

// compilers are for the languages that design documents may be written in.
func compilers(functions script.Host) view.Compilers {
	return view.Compilers{"javascript": javascript.Compiler(functions), mango.Language: mango.Compiler}
}
