package main

import (
	"log/slog"

	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
)

// compilers are for the languages that design documents may be written in.
func compilers(log *slog.Logger) view.Compilers {
	return view.Compilers{"javascript": javascript.Compiler(script.Options{Log: log})}
}
