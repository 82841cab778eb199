package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
)

type Options struct {
	MaxOpen         int
	MaxDocumentSize int64
	MaxIDLength     int
	Logger          *slog.Logger
	Clock           func() time.Time
}

type Store struct{}

func Open(ctx context.Context, eng engine.Engine, opt Options) (*Store, error) { panic(0) }
func (s *Store) Close() error                                                  { panic(0) }
func (s *Store) Create(ctx context.Context, name string) error                 { panic(0) }
func (s *Store) DB(ctx context.Context, name string) (*DB, error)              { panic(0) }
func (s *Store) Drop(ctx context.Context, name string) error                   { panic(0) }
func (s *Store) Exists(ctx context.Context, name string) (bool, error)         { panic(0) }
func (s *Store) Names(ctx context.Context, after string, limit int) ([]string, error) {
	panic(0)
}
func (s *Store) Events() *Events { panic(0) }

type Events struct{}
type Event struct {
	DB, Type string
	Seq      uint64
}

func (e *Events) Since(n uint64) (evs []Event, last uint64, wait <-chan struct{}) { panic(0) }
func (e *Events) Instance() string                                               { panic(0) }

type DB struct{}
type Info struct {
	DocCount, DelCount, UpdateSeq, PurgeSeq uint64
	File, External, Active                  int64
	CompactRunning                          bool
	Created                                 time.Time
}
type Seq struct {
	N        uint64
	Instance string
}

func (s Seq) String() string            { panic(0) }
func (s Seq) AppendTo(b []byte) []byte  { panic(0) }
func (db *DB) Name() string             { panic(0) }
func (db *DB) Instance() string         { panic(0) }
func (db *DB) Release()                 { panic(0) }
func (db *DB) Gone() <-chan struct{}    { panic(0) }
func (db *DB) Seq(n uint64) Seq         { panic(0) }
func (db *DB) ParseSeq(s string) (uint64, error)      { panic(0) }
func (db *DB) Info(ctx context.Context) (Info, error) { panic(0) }

type Edit struct{ Doc document.Doc }
type WriteOptions struct{ Replicated bool }
type Result struct {
	ID  string
	Rev revtree.Rev
	Err error
}

func (db *DB) Write(ctx context.Context, edits []Edit, opt WriteOptions) ([]Result, error) {
	panic(0)
}

type ReadOptions struct {
	Rev                                                                      revtree.Rev
	Latest, Revs, RevsInfo, Conflicts, DeletedConflicts, Deleted, NoBody bool
}
type RevInfo struct {
	Rev    revtree.Rev
	Status string // "available", "missing", "deleted"
}
type Document struct {
	ID                          string
	Rev                         revtree.Rev
	Deleted                     bool
	Body                        []byte
	Seq                         uint64
	Path                        []revtree.Rev
	RevsInfo                    []RevInfo
	Conflicts, DeletedConflicts []revtree.Rev
}
type JSONOptions struct{ LocalSeq bool }
type OpenRev struct {
	Doc     *Document
	Missing revtree.Rev
}

func (d *Document) AppendJSON(b []byte, opt JSONOptions) []byte { panic(0) }
func (db *DB) Get(ctx context.Context, id string, opt ReadOptions) (*Document, error) {
	panic(0)
}
func (db *DB) OpenRevs(ctx context.Context, id string, revs []revtree.Rev, opt ReadOptions) ([]OpenRev, error) {
	panic(0)
}
func (db *DB) GetMany(ctx context.Context, ids []string, opt ReadOptions, fn func(i int, d *Document, err error) error) error {
	panic(0)
}
func (db *DB) GetLocal(ctx context.Context, id string) (*Document, error) { panic(0) }

type DocSpace int

const (
	Docs DocSpace = iota
	DesignDocs
	LocalDocs
)

type AllDocsQuery struct {
	Start, End                                             string
	HasStart, HasEnd                                       bool
	ExcludeEnd, Descending, IncludeDocs, Conflicts, WantOffset bool
	Skip, Limit                                            int
	Space                                                  DocSpace
}
type Row struct {
	ID      []byte
	Rev     revtree.Rev
	Deleted bool
	Doc     *Document
}
type Page struct {
	TotalRows, Offset int
	UpdateSeq         uint64
}

func (db *DB) AllDocs(ctx context.Context, q AllDocsQuery, head func(Page) error, row func(*Row) error, flush func() error) error {
	panic(0)
}
func (db *DB) DocsByKeys(ctx context.Context, keys []string, includeDocs, conflicts bool, row func(i int, r *Row) error) (Page, error) {
	panic(0)
}

type ChangesQuery struct {
	Since, To                                      uint64
	Descending, AllLeaves, IncludeDocs, Conflicts bool
	Limit                                          int
	DocIDs                                         []string
	Match                                          func(*Change) (bool, error)
}
type Change struct {
	Seq     uint64
	ID      []byte
	Deleted bool
	Revs    []revtree.Rev
	Doc     *Document
}
type ChangesEnd struct {
	Last    uint64
	Pending int
}

func (db *DB) Changes(ctx context.Context, q ChangesQuery, row func(*Change) error, flush func() error) (ChangesEnd, error) {
	panic(0)
}
func (db *DB) Changed(after uint64) <-chan struct{} { panic(0) }
func (db *DB) RevsDiff(ctx context.Context, ids []string, revs [][]revtree.Rev, fn func(i int, missing, possibleAncestors []revtree.Rev) error) error {
	panic(0)
}

type PurgeInfo struct {
	Seq  uint64
	UUID string
	ID   string
	Revs []revtree.Rev
}

func (db *DB) Purge(ctx context.Context, ids []string, revs [][]revtree.Rev) (purged [][]revtree.Rev, purgeSeq uint64, err error) {
	panic(0)
}
func (db *DB) PurgedInfos(ctx context.Context, fn func(PurgeInfo) error) error { panic(0) }
func (db *DB) PurgedInfosLimit(ctx context.Context) (int, error)              { panic(0) }
func (db *DB) SetPurgedInfosLimit(ctx context.Context, n int) error           { panic(0) }
func (db *DB) RevsLimit(ctx context.Context) (int, error)                     { panic(0) }
func (db *DB) SetRevsLimit(ctx context.Context, n int) error                  { panic(0) }
func (db *DB) Security(ctx context.Context) ([]byte, error)                   { panic(0) }
func (db *DB) SetSecurity(ctx context.Context, raw []byte) error              { panic(0) }
func (db *DB) Compact(ctx context.Context) error                              { panic(0) }
func (db *DB) Check(ctx context.Context, report func(problem string)) error   { panic(0) }
