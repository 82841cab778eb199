package pg_test

import (
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/enginetest"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

func TestConformance(t *testing.T) {
	widetest.Only(t)
	enginetest.Run(t, func(t testing.TB) engine.Engine { return pgtest.Engine(t) })
}
