package repository_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tododb/tododb/store/backup/repository"
)

// documentSink takes documents in, and tries to prune meanwhile.
type documentSink struct {
	w        *world
	repo     *repository.Repository
	contents []string
}

func (s *documentSink) Standing(context.Context, string, string) (repository.Standing, error) {
	return repository.Standing{}, nil
}

func (s *documentSink) PutLeaf(ctx context.Context, w repository.Writing) error {
	_, err := s.repo.Prune(ctx, repository.Pruning{})
	if busy := new(repository.BusyError); !errors.As(err, &busy) {
		s.w.t.Errorf("prune beside a restore of documents: %v", err)
	}
	for _, a := range w.Leaf.Attachments {
		var b bytes.Buffer
		if err := w.Content(ctx, a.Digest, &b); err != nil {
			return err
		}
		s.contents = append(s.contents, b.String())
	}
	return nil
}

// While documents are restored, with their attachments, nothing that they need is deleted.
func TestRestoringDocumentsKeepsPruneAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	repo := create(t, storages["folder"](t), repository.Keys{})
	w.must(w.s.Create(t.Context(), "db"))
	w.put("db", "a", `{}`, "a text")
	sink := &documentSink{w: w, repo: repo}
	w.must(repo.RestoreDocuments(t.Context(), sink, w.backup(repo), repository.RestoringDocuments{Database: "db", IDs: []string{"a"}}))
	if len(sink.contents) != 1 || sink.contents[0] != "a text" {
		t.Errorf("the attachments are %q", sink.contents)
	}
	if _, err := repo.Prune(t.Context(), repository.Pruning{}); err != nil {
		t.Error(err)
	}
}

// A page has the documents of a range, and says where the next one begins.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	repo := create(t, storages["folder"](t), repository.Keys{})
	w.must(w.s.Create(t.Context(), "db"))
	for _, id := range []string{"c", "a", "e", "b", "d"} {
		w.put("db", id, `{}`)
	}
	b := w.backup(repo)
	for _, c := range []struct {
		q    repository.Range
		want string
	}{
		{repository.Range{Limit: 2}, "ab next c"}, {repository.Range{Start: "c", Limit: 2}, "cd next e"}, {repository.Range{Start: "e", Limit: 2}, "e next "},
		{repository.Range{Start: "b", End: "c", Limit: 9}, "bc next "}, {repository.Range{Limit: 5}, "abcde next "}, {repository.Range{}, " next a"},
	} {
		docs, next, err := repo.Page(t.Context(), b, "db", c.q)
		w.must(err)
		got := ""
		for _, d := range docs {
			got += d.ID
		}
		if got += " next " + next; got != c.want {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}
