package documents

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// The fields of a form that have a meaning. As in CouchDB, others are ignored.
const (
	fieldDoc   = "_doc"         // the JSON of the document; without it the document stays as it is
	fieldRev   = "_rev"         // without _doc: the revision to replace
	fieldFiles = "_attachments" // a file, which becomes an attachment; there may be several
)

const (
	maxFieldRev = 16 << 10 // bytes of a revision
	// maxFormNames is how many bytes the names and types of a form's files may have, plus
	// fileCost for each file. They wait in memory until the last file has arrived.
	maxFormNames = 1 << 20
	fileCost     = 256
)

var (
	errNoReferer    = wire.BadRequest("Referer header required.")
	errOtherReferer = wire.BadRequest("Referer header must match host.")
	errNoForm       = wire.Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be multipart/form-data")
	errNoBoundary   = wire.BadRequest("Content-Type multipart/form-data lacks a boundary")
	errFormField    = wire.BadRequest("Each part of a form needs a Content-Disposition of form-data")
	errFormRev      = wire.BadRequest("The form has neither a field _doc nor a field _rev")
	errNamelessFile = wire.BadRequest("A file of the form has no name")
	errManyFiles    = wire.Errorf(http.StatusRequestEntityTooLarge, "too_large", "The form has too many files")
)

// checkForm refuses an upload that does not come from an HTML form of this server. Browsers send
// the user's cookie with forms of other servers too, but those cannot choose the Referer.
func checkForm(r *http.Request) error {
	referer := r.Header.Get("Referer")
	if referer == "" {
		return errNoReferer
	}
	from, err := url.Parse(referer)
	if err != nil {
		return errOtherReferer
	}
	here, err := url.Parse(wire.Absolute(r, "/"))
	if err != nil || !strings.EqualFold(from.Host, here.Host) {
		return errOtherReferer
	}
	if !wire.IsType(r.Header.Get("Content-Type"), "multipart/form-data") {
		return errNoForm
	}
	return nil
}

// formField is a field of a form. Its value follows in the part.
type formField struct {
	name   string
	isFile bool
	file   string // the name of the file
	typ    string // of the file; as in CouchDB, without parameters
}

// readField reads the head of a part.
func readField(part *multipart.Part) (f formField, err error) {
	kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || kind != "form-data" {
		return f, errFormField
	}
	f.name = params["name"]
	f.file, f.isFile = params["filename"]
	typ, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
	if f.typ = strings.ToLower(strings.TrimSpace(typ)); f.typ == "" {
		f.typ = document.DefaultType
	}
	return f, nil
}

// form is an upload by a form: what to write when its last byte has arrived.
type form struct {
	r   *http.Request
	db  *store.DB
	opt document.Options

	doc   *intake.Body // nil: no _doc
	meter *document.Meter
	rev   string // of _rev
	files []store.EditAttachment
	names int // bytes of the names and types of the files
	bytes int // of files that wait in memory
}

// readForm reads the form to its end. The bytes of files go to disk as they arrive; nothing
// refers to them yet.
func readForm(w http.ResponseWriter, r *http.Request, db *store.DB) (*form, error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, errNoBoundary
	}
	in := http.MaxBytesReader(w, r.Body, wire.SettingsOf(r).MaxRequestSize)
	parts := multipart.NewReader(attachments.NewUntilClosed(in, params["boundary"]), params["boundary"])
	f := &form{r: r, db: db, opt: document.Options{MaxSize: wire.SettingsOf(r).MaxDocumentSize}}
	for {
		part, err := nextPart(parts)
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return nil, partError(err)
		}
		if err := f.take(part); err != nil {
			return nil, err
		}
	}
}

// take reads one part. If a field is repeated, the first counts, except for files.
func (f *form) take(part *multipart.Part) error {
	field, err := readField(part)
	if err != nil {
		return err
	}
	switch {
	case field.isFile && field.name == fieldFiles:
		return f.takeFile(&field, part)
	case field.isFile:
	case field.name == fieldDoc && f.doc == nil:
		f.meter = document.NewMeter(f.opt)
		f.doc, err = wire.TakeIn(f.r, part, 0, wire.SettingsOf(f.r).MaxRequestSize, f.meter.Add)
		return err
	case field.name == fieldRev && f.rev == "":
		rev, err := io.ReadAll(io.LimitReader(part, maxFieldRev))
		if err != nil {
			return partError(err)
		}
		f.rev = string(rev)
	}
	return nil
}

// takeFile stores the bytes of a file. If two files have the same name, the later one counts.
func (f *form) takeFile(field *formField, part io.Reader) error {
	if field.file == "" { // a browser sends this if no file was chosen
		if n, err := part.Read(make([]byte, 1)); err == io.EOF && n == 0 {
			return nil
		} else if err != nil {
			return partError(err)
		}
		return errNamelessFile
	}
	if err := document.ValidAttachmentName(field.file); err != nil {
		return err
	}
	if f.names += len(field.file) + len(field.typ) + fileCost; f.names > maxFormNames {
		return errManyFiles
	}
	staged, err := attachments.StageOne(f.r.Context(), f.db, field.file, part, store.StageOptions{
		Limit: wire.SettingsOf(f.r).MaxAttachmentSize, Store: f.bytes > maxPartsInMemory,
	})
	if err != nil {
		return partError(err)
	}
	f.bytes += staged.InMemory()
	f.files = append(without(f.files, field.file), store.EditAttachment{Name: field.file, Type: field.typ, Staged: &staged})
	return nil
}

// without leaves out the attachments with a name.
func without(list []store.EditAttachment, name string) []store.EditAttachment {
	kept := list[:0]
	for _, a := range list {
		if a.Name != name {
			kept = append(kept, a)
		}
	}
	return kept
}

// edit makes the edit that the form asks for: _doc, or the revision that _rev names, with the
// form's files before the other attachments.
func (f *form) edit(id string) (edit store.Edit, err error) {
	if f.doc != nil {
		edit, err = f.replacing(id)
	} else {
		edit, err = f.keeping(id)
	}
	if err != nil {
		return edit, err
	}
	all := f.files
	fresh := make(map[string]bool, len(f.files))
	for i := range f.files {
		fresh[f.files[i].Name] = true
	}
	for _, a := range edit.Attachments {
		if !fresh[a.Name] {
			all = append(all, a)
		}
	}
	edit.Attachments = all
	return edit, nil
}

func (f *form) replacing(id string) (store.Edit, error) {
	doc, err := wire.ParseDocument(f.r, f.doc, f.meter, f.opt)
	if err != nil {
		return store.Edit{}, err
	}
	q, err := parseDocQuery(f.r)
	if err != nil {
		return store.Edit{}, err
	}
	doc.ID, doc.HasID = id, true
	if doc.Rev, err = editRev(f.r, &q, doc.Rev, doc.HasRev); err != nil {
		return store.Edit{}, err
	}
	return attachments.EditOf(f.r.Context(), f.db, doc, wire.SettingsOf(f.r).MaxAttachmentSize)
}

func (f *form) keeping(id string) (store.Edit, error) {
	if f.rev == "" {
		return store.Edit{}, errFormRev
	}
	rev, err := revtree.Parse(f.rev)
	if err != nil {
		return store.Edit{}, err
	}
	old, err := f.db.Get(f.r.Context(), id, store.ReadOptions{Rev: rev})
	if err != nil {
		return store.Edit{}, missingRev(err)
	}
	return editWith(id, rev, old, ""), nil
}
