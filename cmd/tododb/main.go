package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tododb/tododb/store/script/worker"
)

// version is set by the linker.
var version = "unversioned"

func main() {
	if worker.Asked(os.Args) { // a server has started this process to run functions
		os.Exit(worker.Main())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end. After it, signals have their default effect,
	// so a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	endInTime(ctx)

	provideRoots()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil {
		complain(os.Stderr, err, wantsJSON(os.Args[1:]))
	}
	os.Exit(exitCode(err))
}
