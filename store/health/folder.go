package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tododb/tododb/store/disk"
)

// Folder is a data folder to look at. Path must be set.
type Folder struct {
	Path    string
	Version string // of the program
	// Files is how many databases may be open at once (500). Each has a file, and one for each index in use.
	Files int
	// InUse tells whether another process has the folder open (nil: nobody wants to know).
	InUse func() (bool, error)
	// System answers instead of the operating system, for tests. What is nil is asked of the real one.
	System System
}

// System is what is asked of the operating system.
type System struct {
	Disk        func(folder string) (disk.Space, error)
	FileSystem  func(folder string) (name string, err error)
	FileNodes   func(folder string) (free, all uint64, err error)
	Descriptors func() (most uint64, err error)
	Now         func() time.Time
}

func (f *Folder) defaults() {
	if f.Files <= 0 {
		f.Files = 500
	}
	if f.System.Disk == nil {
		f.System.Disk = disk.Of
	}
	if f.System.FileSystem == nil {
		f.System.FileSystem = fileSystem
	}
	if f.System.FileNodes == nil {
		f.System.FileNodes = fileNodes
	}
	if f.System.Descriptors == nil {
		f.System.Descriptors = descriptors
	}
	if f.System.Now == nil {
		f.System.Now = time.Now
	}
}

// Look makes all checks. It stops early if there is no folder, or when ctx ends.
func (f Folder) Look(ctx context.Context) []Finding {
	f.defaults()
	first, there := f.folder()
	list := []Finding{first}
	if !there {
		return list
	}
	for _, check := range []func() Finding{f.lock, f.permissions, f.writing, f.space, f.nodes, f.fileSystem, f.descriptors, f.clock, f.versions} {
		if ctx.Err() != nil {
			break
		}
		if found := check(); found.Check != "" {
			list = append(list, found)
		}
	}
	return list
}

func (f *Folder) folder() (found Finding, there bool) {
	info, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Finding{"folder", Fault, "There is no folder " + f.Path + ".", "Name the data folder with --data, or start the server once, which makes it."}, false
	case errors.Is(err, fs.ErrPermission):
		return Finding{"folder", Fault, "This user may not look into " + f.Path + ".", "Ask as the user that the server runs as, for example with sudo -u tododb."}, false
	case err != nil:
		return Finding{"folder", Fault, "The data folder cannot be looked at: " + err.Error() + ".", "Look at the disk and at the system's log."}, false
	case !info.IsDir():
		return Finding{"folder", Fault, f.Path + " is not a folder.", "Name the data folder with --data."}, false
	}
	if _, err := os.Stat(filepath.Join(f.Path, "databases")); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return Finding{"folder", Fault, "This user may not look into " + f.Path + ".", "Ask as the user that the server runs as, for example with sudo -u tododb."}, false
		}
		return Finding{"folder", Warning, f.Path + " is no data folder yet: it has no databases.", "Start the server with this folder, or name another one with --data."}, true
	}
	return Finding{Check: "folder", State: OK, Says: "The data folder is " + f.Path + "."}, true
}

func (f *Folder) lock() Finding {
	if f.InUse == nil {
		return Finding{}
	}
	switch used, err := f.InUse(); {
	case err != nil:
		return Finding{"lock", Fault, "It cannot be told whether a server has the folder open: " + err.Error() + ".",
			"The file lock in the data folder must belong to the server's user, on a file system that has locks."}
	case used:
		return Finding{Check: "lock", State: OK, Says: "A server has the folder open."}
	}
	return Finding{Check: "lock", State: OK, Says: "No server has the folder open."}
}

func (f *Folder) permissions() Finding {
	const check = "permissions"
	if runtime.GOOS == "windows" {
		return Finding{Check: check, State: Skipped, Says: "Who may read the folder is not looked at on Windows."}
	}
	for _, name := range []string{"", "databases", "journal", "local.ini", "https"} {
		path := filepath.Join(f.Path, name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Finding{check, Fault, "The server cannot look at " + path + ": " + err.Error() + ".", "The data folder, with all that is in it, must belong to the server's user: chown -R tododb: " + f.Path + "."}
		}
		if mine, owner := owned(info); !mine {
			return Finding{check, Fault, fmt.Sprintf("%s belongs to another user (%s) than the one that asks (%d).", path, owner, os.Getuid()),
				"Ask, and run the server, as the user that owns the folder; or give it all to that user with chown -R."}
		}
		if open := info.Mode().Perm() & 0o077; name != "" && open != 0 && !f.shut() {
			return Finding{check, Warning, path + " can be read by other users of this machine.", "Run chmod -R go-rwx " + f.Path + "."}
		}
	}
	return Finding{Check: check, State: OK, Says: "Only the server's user can read the data."}
}

// shut tells whether nobody else gets into the folder, whatever is in it.
func (f *Folder) shut() bool {
	info, err := os.Stat(f.Path)
	return err == nil && info.Mode().Perm()&0o077 == 0
}

// slowSync is how long the disk may take to have something for good before people notice with each write.
const slowSync = time.Second

func (f *Folder) writing() Finding {
	const check = "writing"
	wrong := func(err error) Finding {
		return Finding{check, Fault, "Nothing can be written into the folder: " + err.Error() + ".", "The folder must belong to the server's user, on a disk that has room and is not mounted read-only."}
	}
	file, err := os.CreateTemp(f.Path, ".doctor-*")
	if err != nil {
		return wrong(err)
	}
	defer os.Remove(file.Name())
	began := time.Now()
	_, err = file.Write(make([]byte, 4096))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return wrong(err)
	}
	took := time.Since(began)
	if took > slowSync {
		return Finding{check, Warning, fmt.Sprintf("The disk takes %v until 4 KiB are safe; each write of a client waits for that.", took.Round(time.Millisecond)), "Put the data folder on a faster disk, or find out what keeps this one busy."}
	}
	return Finding{Check: check, State: OK, Says: fmt.Sprintf("A write is safe on the disk after %v.", took.Round(10*time.Microsecond))}
}

// How little room is a fault, and how little is reason to say so.
const (
	littleRoom, scarceRoom   = 100 << 20, 1 << 30
	littleShare, scarceShare = 3, 10 // per cent
)

func (f *Folder) space() Finding {
	const check = "disk"
	space, err := f.System.Disk(f.Path)
	if err != nil {
		return Finding{Check: check, State: Skipped, Says: "It cannot be told how full the disk is: " + err.Error() + "."}
	}
	free := 100 - space.Percent()
	says := fmt.Sprintf("The disk has %s free, %.0f %%.", humanize.IBytes(space.Free), free)
	cure := "Make room: tododb compact, fewer old backups on this disk, or a larger disk. Compaction needs room for a copy of the largest database."
	switch {
	case space.Free < littleRoom || free < littleShare:
		return Finding{check, Fault, says, cure}
	case free < scarceShare && space.Free < 10*scarceRoom || space.Free < scarceRoom:
		return Finding{check, Warning, says, cure}
	}
	return Finding{Check: check, State: OK, Says: says}
}

func (f *Folder) nodes() Finding {
	free, all, err := f.System.FileNodes(f.Path)
	if err != nil || all == 0 { // file systems that make them as needed say 0
		return Finding{}
	}
	says := fmt.Sprintf("The file system can take %s more files.", humanize.Comma(int64(free)))
	if free < 1000 {
		return Finding{"files", Fault, says, "Remove files that nobody needs: df -i shows where there are many. A database has a file, and so has each of its indexes."}
	}
	return Finding{Check: "files", State: OK, Says: says}
}

// networked are file systems whose locks and syncs depend on another machine.
var networked = map[string]bool{"nfs": true, "cifs": true, "smb": true, "smbfs": true, "afpfs": true, "webdav": true, "9p": true, "ceph": true, "afs": true, "gfs2": true, "ocfs2": true, "lustre": true}

func (f *Folder) fileSystem() Finding {
	const check = "file system"
	name, err := f.System.FileSystem(f.Path)
	switch {
	case err != nil:
		return Finding{Check: check, State: Skipped, Says: "It cannot be told which file system this is: " + err.Error() + "."}
	case networked[name]:
		return Finding{check, Fault, "The folder is on a network file system (" + name + "): locks and syncs may not mean there what they say, and a database may be damaged.",
			"Put the data folder on a disk of this machine, and copies elsewhere with tododb backup."}
	case name == "tmpfs" || name == "ramfs":
		return Finding{check, Warning, "The folder is in memory (" + name + "): all of it is gone when the machine or the container stops.", "Put the data folder on a disk."}
	case name == "overlayfs":
		return Finding{check, Warning, "The folder is in a container's own layer: all of it is gone with the container.", "Give the container a volume for the data folder."}
	case name == "fuse" || name == "macfuse":
		return Finding{check, Warning, "The folder is on a file system that a program provides (FUSE), and which may not keep what it was asked to.", "Put the data folder on a file system of the kernel, such as ext4, xfs or apfs."}
	}
	return Finding{Check: check, State: OK, Says: "The file system is " + name + "."}
}

func (f *Folder) descriptors() Finding {
	const check = "descriptors"
	most, err := f.System.Descriptors()
	if err != nil {
		return Finding{Check: check, State: Skipped, Says: "How many files a process may open is not looked at here."}
	}
	want := uint64(2*f.Files + 1000) // a database, an index of it, and connections
	if most < want {
		return Finding{check, Warning, fmt.Sprintf("A process may open %d files; %d databases with an index each, and a thousand connections, need %d.", most, f.Files, want),
			"Raise the limit: LimitNOFILE=65536 in the unit of systemd, or ulimit -n 65536 before the start."}
	}
	return Finding{Check: check, State: OK, Says: fmt.Sprintf("A process may open %s files.", humanize.Comma(int64(min(most, 1<<62))))}
}

func (f *Folder) clock() Finding {
	const check = "clock"
	now := f.System.Now()
	cure := "Set the clock, and have it kept: timedatectl set-ntp true."
	if now.Year() < 2025 {
		return Finding{check, Fault, "The clock says " + now.UTC().Format(time.DateTime) + ", which is long past.", cure}
	}
	for _, name := range []string{"local.ini", "lock", "databases"} {
		info, err := os.Stat(filepath.Join(f.Path, name))
		if err == nil && info.ModTime().After(now.Add(2*time.Minute)) {
			return Finding{check, Fault, fmt.Sprintf("The clock is behind: %s was written at %s, and it is only %s.", name, info.ModTime().UTC().Format(time.DateTime), now.UTC().Format(time.DateTime)), cure}
		}
	}
	return Finding{Check: check, State: OK, Says: "The clock says " + now.UTC().Format(time.DateTime) + " UTC."}
}

func (f *Folder) versions() Finding {
	return Finding{Check: "versions", State: OK, Says: fmt.Sprintf("This is tododb %s, built with %s for %s/%s.", f.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)}
}
