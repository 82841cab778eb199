package health_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/health"
)

// sound is a folder without faults.
func sound(t *testing.T) health.Folder {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, "databases"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "local.ini"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return health.Folder{Path: dir, Version: "v1", InUse: func() (bool, error) { return false, nil }, System: health.System{
		Disk:        func(string) (disk.Space, error) { return disk.Space{Used: 100 << 30, Free: 100 << 30}, nil },
		FileSystem:  func(string) (string, error) { return "ext4", nil },
		FileNodes:   func(string) (uint64, uint64, error) { return 1e6, 2e6, nil },
		Descriptors: func() (uint64, error) { return 65536, nil },
	}}
}

func found(list []health.Finding, check string) health.Finding {
	for _, one := range list {
		if one.Check == check {
			return one
		}
	}
	return health.Finding{}
}

func TestFaultsOfAFolder(t *testing.T) {
	t.Parallel()
	all := sound(t).Look(t.Context())
	for _, one := range all {
		if one.State != health.OK && one.State != health.Skipped && one.Check != "writing" { // a busy disk is slow
			t.Errorf("a sound folder: %+v", one)
		}
	}
	if len(all) < 9 || health.Faulty(all) {
		t.Errorf("%+v", all)
	}

	space := func(used, free uint64) func(f *health.Folder) {
		return func(f *health.Folder) {
			f.System.Disk = func(string) (disk.Space, error) { return disk.Space{Used: used, Free: free}, nil }
		}
	}
	on := func(name string) func(f *health.Folder) {
		return func(f *health.Folder) { f.System.FileSystem = func(string) (string, error) { return name, nil } }
	}
	for what, c := range map[string]struct {
		spoil func(f *health.Folder)
		check string
		state health.State
		says  string
	}{
		"no folder":       {func(f *health.Folder) { f.Path += "x" }, "folder", health.Fault, "no folder"},
		"a file":          {func(f *health.Folder) { f.Path = filepath.Join(f.Path, "local.ini") }, "folder", health.Fault, "not a folder"},
		"an empty folder": {func(f *health.Folder) { os.Remove(filepath.Join(f.Path, "databases")) }, "folder", health.Warning, "no data folder yet"},
		"in use":          {func(f *health.Folder) { f.InUse = func() (bool, error) { return true, nil } }, "lock", health.OK, "has the folder open"},
		"no locks":        {func(f *health.Folder) { f.InUse = func() (bool, error) { return false, errors.New("no locks") } }, "lock", health.Fault, "no locks"},
		"full":            {space(1<<40, 50<<20), "disk", health.Fault, "50 MiB free"},
		"nearly full":     {space(100<<30, 5<<30), "disk", health.Warning, "5.0 GiB free, 5 %"},
		"large and full":  {space(100<<40, 5<<40), "disk", health.OK, "5.0 TiB"},
		"no file nodes": {func(f *health.Folder) {
			f.System.FileNodes = func(string) (uint64, uint64, error) { return 7, 1000, nil }
		}, "files", health.Fault, "7 more files"},
		"nfs":          {on("nfs"), "file system", health.Fault, "network file system"},
		"cifs":         {on("cifs"), "file system", health.Fault, "network file system"},
		"in memory":    {on("tmpfs"), "file system", health.Warning, "in memory"},
		"a layer":      {on("overlayfs"), "file system", health.Warning, "container"},
		"few files":    {func(f *health.Folder) { f.System.Descriptors = func() (uint64, error) { return 1024, nil } }, "descriptors", health.Warning, "may open 1024 files"},
		"an old clock": {func(f *health.Folder) { f.System.Now = func() time.Time { return time.Unix(0, 0) } }, "clock", health.Fault, "1970"},
		"a late clock": {func(f *health.Folder) { f.System.Now = func() time.Time { return time.Now().Add(-time.Hour) } }, "clock", health.Fault, "is behind"},
	} {
		f := sound(t)
		c.spoil(&f)
		list := f.Look(t.Context())
		got := found(list, c.check)
		if got.State != c.state || !strings.Contains(got.Says, c.says) {
			t.Errorf("%s: %+v, want %s %q", what, got, c.state, c.says)
		}
		if (got.State == health.Fault || got.State == health.Warning) != (got.Cure != "") {
			t.Errorf("%s: the cure of %+v", what, got)
		}
		if health.Faulty(list) != (c.state == health.Fault) {
			t.Errorf("%s: %+v", what, list)
		}
	}
}

func TestOthersCanRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	f := sound(t)
	for _, path := range []string{f.Path, filepath.Join(f.Path, "local.ini")} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := found(f.Look(t.Context()), "permissions"); got.State != health.Warning || !strings.Contains(got.Says, "other users") {
		t.Errorf("%+v", got)
	}
	if err := os.Chmod(f.Path, 0o700); err != nil { // nobody gets to the file
		t.Fatal(err)
	}
	if got := found(f.Look(t.Context()), "permissions"); got.State != health.OK {
		t.Errorf("%+v", got)
	}
}

// The operating system is asked, and answers something that can be.
func TestRealSystem(t *testing.T) {
	t.Parallel()
	f := sound(t)
	f.System = health.System{}
	for _, one := range f.Look(t.Context()) {
		if one.Says == "" || one.State == "" {
			t.Errorf("%+v", one)
		}
		if one.State == health.Skipped && runtime.GOOS == "linux" {
			t.Errorf("Linux does not tell: %+v", one)
		}
	}
	if left, err := os.ReadDir(f.Path); err != nil || len(left) != 2 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
