package script

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// As in CouchDB, a map function gets its document frozen, and mostly reads two or three of its
// members. So the document stays bytes: an object knows where its members are and makes a
// member's value on demand. This costs a third of making values for a whole document
// (BenchmarkMap has both).

// scope is the time for which lazy values are valid: their bytes belong to the caller of Map. A
// value that a function keeps beyond its call has no members any more.
type scope struct {
	rt   *runtime
	over bool
}

// lazyObject is an object of a document.
type lazyObject struct {
	scope   *scope
	raw     []byte
	members []lazyMember // nil before it is read
	byName  map[string]int
}

type lazyMember struct {
	name  string
	raw   []byte
	value goja.Value // nil before it is first used
}

// manyMembers is the number from which a map finds a member faster than a walk.
const manyMembers = 24

// read finds the members.
func (o *lazyObject) read() {
	if o.members != nil || o.scope.over {
		return
	}
	rt := o.scope.rt
	o.members = make([]lazyMember, 0, 8)
	indexes := false
	// The bytes have been checked, so walking them cannot fail.
	_ = jsonscan.EachMember(o.raw, func(name, value []byte) error {
		indexes = indexes || len(name) > 0 && name[0] >= '0' && name[0] <= '9'
		o.members = append(o.members, lazyMember{name: rt.intern(name), raw: value})
		return nil
	})
	if indexes {
		o.members = indexesFirst(o.members)
	}
	if len(o.members) >= manyMembers {
		o.byName = make(map[string]int, len(o.members))
		for i := range o.members {
			o.byName[o.members[i].name] = i
		}
	}
}

func (o *lazyObject) find(name string) *lazyMember {
	o.read()
	if o.byName != nil {
		if i, ok := o.byName[name]; ok {
			return &o.members[i]
		}
		return nil
	}
	for i := range o.members {
		if o.members[i].name == name {
			return &o.members[i]
		}
	}
	return nil
}

// Get is part of goja.DynamicObject, as are the methods below it.
func (o *lazyObject) Get(name string) goja.Value {
	m := o.find(name)
	if m == nil {
		return nil
	}
	if m.value == nil {
		if o.scope.over {
			return nil
		}
		m.value = o.scope.value(m.raw)
	}
	return m.value
}

func (o *lazyObject) Has(name string) bool        { return o.find(name) != nil }
func (o *lazyObject) Set(string, goja.Value) bool { return false }
func (o *lazyObject) Delete(name string) bool     { return o.find(name) == nil }

func (o *lazyObject) Keys() []string {
	o.read()
	names := make([]string, len(o.members))
	for i := range o.members {
		names[i] = o.members[i].name
	}
	return names
}

// lazyArray is an array of a document; its elements are found on first use.
type lazyArray struct {
	scope  *scope
	raw    []byte
	parts  [][]byte
	values []goja.Value
}

func (a *lazyArray) read() {
	if a.parts != nil || a.scope.over {
		return
	}
	a.parts = [][]byte{}
	_ = jsonscan.EachElement(a.raw, func(value []byte) error {
		a.parts = append(a.parts, value)
		return nil
	})
	a.values = make([]goja.Value, len(a.parts))
}

// Len is part of goja.DynamicArray, as are the methods below it.
func (a *lazyArray) Len() int {
	a.read()
	return len(a.parts)
}

func (a *lazyArray) Get(i int) goja.Value {
	a.read()
	if i < 0 || i >= len(a.parts) {
		return nil
	}
	if a.values[i] == nil {
		if a.scope.over {
			return nil
		}
		a.values[i] = a.scope.value(a.parts[i])
	}
	return a.values[i]
}

func (a *lazyArray) Set(int, goja.Value) bool { return false }
func (a *lazyArray) SetLen(int) bool          { return false }

// value makes a frozen value of checked bytes.
func (s *scope) value(raw []byte) goja.Value {
	switch jsonscan.Kind(raw) {
	case '{':
		return s.rt.js.NewDynamicObject(&lazyObject{scope: s, raw: raw})
	case '[':
		return s.rt.js.NewDynamicArray(&lazyArray{scope: s, raw: raw})
	}
	return s.rt.scalar(raw)
}

// lazyBytes returns the JSON of an unchanged lazy object; nil for any other object.
func lazyBytes(obj *goja.Object) []byte {
	switch obj.ExportType() {
	case lazyObjectType:
		if o := obj.Export().(*lazyObject); !o.scope.over {
			return o.raw
		}
	case lazyArrayType:
		if a := obj.Export().(*lazyArray); !a.scope.over {
			return a.raw
		}
	}
	return nil
}

var (
	lazyObjectType = reflect.TypeFor[*lazyObject]()
	lazyArrayType  = reflect.TypeFor[*lazyArray]()
)

func isLazy(v goja.Value) bool {
	obj, ok := v.(*goja.Object)
	if !ok {
		return false
	}
	t := obj.ExportType() // Export would copy an ordinary object
	return t == lazyObjectType || t == lazyArrayType
}

// indexesFirst orders members as JavaScript does: names that are array indexes come first, by
// number.
func indexesFirst(members []lazyMember) []lazyMember {
	index := func(name string) (n int64, ok bool) {
		if len(name) == 0 || len(name) > 10 || len(name) > 1 && name[0] == '0' {
			return 0, false
		}
		n, ok = shortInt([]byte(name))
		return n, ok && name[0] != '-' && n < 1<<32-1
	}
	slices.SortStableFunc(members, func(a, b lazyMember) int {
		x, isX := index(a.name)
		y, isY := index(b.name)
		switch {
		case isX && isY:
			return cmp.Compare(x, y)
		case isX:
			return -1
		case isY:
			return 1
		}
		return 0
	})
	return members
}
