package bolt

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// The first request to a database opens its file, and looks first where all its pages lead. That takes no memory
// for each of them: fresh memory cost three times as much as the looking.
func TestLookingThroughAFileTakesLittleMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("bucket"))
		for i := 0; i < 30_000 && err == nil; i++ {
			err = b.Put(binary.BigEndian.AppendUint32(make([]byte, 60), uint32(i)), nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPages(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	branches := 0
	for id := uint64(2); id < p.high; id++ {
		if pg, err := p.read(id); err == nil && pg.flags == isBranch {
			branches++
		}
	}
	if branches < 30 {
		t.Fatalf("the file has only %d branches", branches)
	}
	got := testing.AllocsPerRun(2, func() {
		if err := p.untangled(); err != nil {
			t.Fatal(err)
		}
	})
	if got > float64(branches) {
		t.Errorf("%.0f allocations for %d branches", got, branches)
	}
	t.Logf("%.0f allocations for %d branches", got, branches)
}
