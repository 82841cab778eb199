package view

import "sync"

// lazyFunctions compiles when it is first asked.
type lazyFunctions struct {
	compile Compiler
	design  *Design

	once sync.Once
	f    Functions
	err  error
}

func (l *lazyFunctions) get() (Functions, error) {
	l.once.Do(func() { l.f, l.err = l.compile(l.design) })
	return l.f, l.err
}
