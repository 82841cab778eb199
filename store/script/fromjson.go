package script

import (
	"strconv"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// scalar makes a value from checked JSON that is neither an object nor an array.
func (rt *runtime) scalar(raw []byte) goja.Value {
	switch raw[0] {
	case '"':
		s, err := jsonscan.Text(raw)
		if err != nil {
			return goja.Undefined()
		}
		return rt.js.ToValue(s)
	case 't':
		return rt.yes
	case 'f':
		return rt.no
	case 'n':
		return goja.Null()
	}
	if len(raw) <= 15 {
		if n, ok := shortInt(raw); ok {
			return rt.js.ToValue(n)
		}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return goja.Undefined()
	}
	return rt.js.ToValue(f)
}

// shortInt reads an integer with so few digits that it is exact.
func shortInt(raw []byte) (n int64, ok bool) {
	i := 0
	if raw[0] == '-' {
		i++
	}
	for ; i < len(raw); i++ {
		c := raw[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if raw[0] == '-' {
		if n == 0 {
			return 0, false
		}
		n = -n
	}
	return n, true
}

// value makes a value from JSON that functions may change as they like. The bytes have been
// checked, so nesting is bounded.
func (rt *runtime) value(raw []byte) goja.Value {
	switch jsonscan.Kind(raw) {
	case '{':
		obj := rt.js.NewObject()
		// The bytes are checked, so walking them cannot fail.
		_ = jsonscan.EachMember(raw, func(name, value []byte) error {
			if string(name) == "__proto__" { // setting it would change the object's prototype
				return obj.DefineDataProperty("__proto__", rt.value(value), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
			}
			return obj.Set(rt.intern(name), rt.value(value))
		})
		return obj
	case '[':
		var list []any
		_ = jsonscan.EachElement(raw, func(value []byte) error {
			list = append(list, rt.value(value))
			return nil
		})
		return rt.js.NewArray(list...)
	}
	return rt.scalar(raw)
}

// checked makes a value from outside JSON; nil, or bytes that are not JSON, become null.
func (rt *runtime) checked(raw []byte) goja.Value {
	trimmed, err := jsonscan.Trim(raw)
	if len(raw) == 0 || err != nil {
		return goja.Null()
	}
	return rt.value(trimmed)
}
