package main

import (
	"log/slog"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/script/worker"
)

// workers are the processes that functions of design documents run in.
func workers(cfg *config.Config, log *slog.Logger) (*worker.Pool, error) {
	const section = "query_server_config"
	return worker.New(worker.Options{
		Timeout: cfg.Duration("couchdb", "os_process_timeout"),
		Memory:  cfg.Int(section, "os_process_memory_limit"), TotalMemory: cfg.Int(section, "os_process_memory_total"),
		Workers: int(cfg.Int(section, "os_process_limit")), Idle: cfg.Duration(section, "os_process_idle_limit"),
		Log: log,
	})
}

// compilers are for the languages that design documents may be written in.
func compilers(functions script.Host) view.Compilers {
	return view.Compilers{"javascript": javascript.Compiler(functions), mango.Language: mango.Compiler}
}
