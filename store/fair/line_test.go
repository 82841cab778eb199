package fair

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever comes, goes and ends in whatever order: a Line keeps to its bounds, leaves no slot
// empty that somebody could have, gives none to who has gone, and passes nobody by.
func TestLineKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type guest struct {
			key    Key
			place  *Place[*guest]
			ahead  int // owners that waited when this one's began to
			passed int // turns by owners that went to others since then, while this one could run
			others int // all turns of others
		}
		l := Line[*guest]{Slots: rapid.IntRange(1, 4).Draw(t, "slots"), Share: rapid.IntRange(0, 3).Draw(t, "share")}
		name := rapid.IntRange(0, 2)
		var waiting []*guest
		running := map[Key]int{}
		of := func(owner string) (n int) {
			for k, m := range running {
				if k.Owner == owner {
					n += m
				}
			}
			return n
		}
		total := func() (n int) {
			for _, m := range running {
				n += m
			}
			return n
		}
		may := func(owner string) bool { return total() < l.Slots && (l.Share == 0 || of(owner) < l.Share) }
		owners := func() (all []string) {
			for _, g := range waiting {
				if !slices.Contains(all, g.key.Owner) {
					all = append(all, g.key.Owner)
				}
			}
			return all
		}
		key := func(t *rapid.T) Key {
			return Key{fmt.Sprint("owner", name.Draw(t, "owner")), fmt.Sprint("name", name.Draw(t, "name"))}
		}
		wait := func(k Key) {
			g := &guest{key: k, ahead: len(owners())}
			for _, other := range waiting { // it waits as long as its owner does
				if other.key.Owner == g.key.Owner {
					g.ahead, g.passed, g.others = other.ahead, other.passed, other.others
				}
			}
			g.place = l.Wait(g.key, g)
			waiting = append(waiting, g)
		}
		next := func(t *rapid.T) {
			byOwner := !l.byName
			var able []*guest
			for _, g := range waiting {
				if may(g.key.Owner) {
					able = append(able, g)
				}
			}
			g, ok := l.Next()
			if ok != (len(able) > 0) {
				t.Fatalf("somebody is next: %v, of %d who could be", ok, len(able))
			}
			if !ok {
				return
			}
			if !slices.Contains(able, g) {
				t.Fatalf("%v is next, who does not wait, or may not run", g.key)
			}
			running[g.key]++
			waiting = slices.DeleteFunc(waiting, func(other *guest) bool { return other == g })
			for _, other := range able {
				if other.key.Owner == g.key.Owner { // its owner has had a turn
					other.passed, other.others, other.ahead = 0, 0, len(owners())
					continue
				}
				other.others++
				if byOwner {
					other.passed++
				}
				if other.passed > other.ahead || l.Share == 0 && other.others > 2*other.ahead+1 {
					t.Fatalf("%v was passed by %d times, %d by owners, of %d before it", other.key, other.others, other.passed, other.ahead)
				}
			}
		}
		done := func(k Key) {
			running[k]--
			l.Done(k)
		}
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) { wait(key(t)) },
			"many": func(t *rapid.T) {
				for k, n := key(t), rapid.IntRange(2, 9).Draw(t, "many"); n > 0; n-- {
					wait(k)
				}
			},
			"next": next,
			"round": func(t *rapid.T) { // all that run end, and others have turns
				for range rapid.IntRange(1, 9).Draw(t, "turns") {
					for k, n := range running {
						for range n {
							done(k)
						}
					}
					next(t)
				}
			},
			"try": func(t *rapid.T) {
				k := key(t)
				want := may(k.Owner) && !slices.ContainsFunc(waiting, func(g *guest) bool { return may(g.key.Owner) })
				if got := l.Try(k); got != want {
					t.Fatalf("a slot at once: %v, want %v", got, want)
				} else if got {
					running[k]++
				}
			},
			"leave": func(t *rapid.T) {
				if len(waiting) == 0 {
					return
				}
				i := rapid.IntRange(0, len(waiting)-1).Draw(t, "who")
				g := waiting[i]
				waiting = slices.Delete(waiting, i, i+1)
				if !g.place.Leave() || g.place.Leave() {
					t.Fatal("who waits cannot leave, or can twice")
				}
			},
			"done": func(t *rapid.T) {
				for k, n := range running {
					if n > 0 {
						done(k)
						return
					}
				}
			},
			"": func(t *rapid.T) {
				if l.Taken() != total() || l.Taken() > l.Slots || l.Len() != len(waiting) {
					t.Fatalf("%d run and %d wait, want %d and %d", l.Taken(), l.Len(), total(), len(waiting))
				}
				all := owners()
				for i := range 3 {
					owner := fmt.Sprint("owner", i)
					if n := l.Running(owner); n != of(owner) || l.Share > 0 && n > l.Share {
						t.Fatalf("%d of %s run, want %d", n, owner, of(owner))
					}
					if of(owner) > 0 && !slices.Contains(all, owner) {
						all = append(all, owner)
					}
				}
				if l.Owners() != len(all) || len(l.waiting) > len(waiting) {
					t.Fatalf("%d owners are known, want %d", l.Owners(), len(all))
				}
			},
		})
	})
}

// Of those of one key the first by Less is first, of owners who has fewest running.
func TestFewest(t *testing.T) {
	l := Line[int]{Rule: Fewest, Less: func(a, b int) bool { return a < b }}
	anna, another, ben := Key{"anna", "x"}, Key{"anna", "y"}, Key{"ben", "x"}
	for i, k := range []Key{anna, anna, anna, anna, another, ben, ben} {
		l.Wait(k, []int{4, 1, 3, 2, 9, 7, 8}[i])
	}
	var order []int
	for range 7 {
		if next, ok := l.First(); !ok || next == 0 {
			t.Fatal("nobody is first")
		}
		v, _ := l.Next()
		order = append(order, v)
	}
	if want := []int{1, 7, 9, 8, 2, 3, 4}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
	if l.Short(100) || l.Owners() != 2 || l.Running("anna") != 5 {
		t.Errorf("%d owners, %d of anna's", l.Owners(), l.Running("anna"))
	}
	l.Wait(ben, 1)
	if l.Short(2) || !l.Short(3) {
		t.Error("ben has two and waits")
	}
}
