package pg_test

import (
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/enginetest"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB) engine.Engine { return pgtest.Engine(t) })
}
