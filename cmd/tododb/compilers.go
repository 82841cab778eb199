package main

import (
	"log/slog"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
)

// compilers are for the languages that design documents may be written in.
func compilers(cfg *config.Config, log *slog.Logger) view.Compilers {
	opt := script.Options{Timeout: cfg.Duration("couchdb", "os_process_timeout"), Log: log}
	return view.Compilers{"javascript": javascript.Compiler(opt), mango.Language: mango.Compiler}
}
