package jsonscan

// EachMember calls fn for each member of an object, in order, with its name, which is valid
// until the next call, and its value unchanged. It checks the JSON it passes; b may have white
// space around it. The error is ErrSyntax if b is not an object.
func EachMember(b []byte, fn func(name, value []byte) error) error {
	end, err := Members(b, Space(b, 0), func(name []byte, at int) (int, error) {
		end, err := Skip(b, at)
		if err != nil {
			return at, err
		}
		return end, fn(name, b[at:end])
	})
	if err != nil {
		return err
	}
	return ending(b, end)
}

// Members walks the object that begins at i. fn reads the value of each member: it is given the
// name, which is valid until the next call, and the index where the value begins, and returns
// the index after the value. Members returns the index after the object, and ErrSyntax if there
// is no object.
func Members(b []byte, i int, fn func(name []byte, at int) (end int, err error)) (end int, err error) {
	if i >= len(b) || b[i] != '{' {
		return i, ErrSyntax
	}
	var scratch []byte
	if i = Space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, ErrSyntax
		}
		end, escaped, err := SkipString(b, i)
		if err != nil {
			return i, err
		}
		name := b[i+1 : end-1]
		if escaped {
			scratch = appendUnescaped(scratch[:0], name)
			name = scratch
		}
		if i = Space(b, end); i >= len(b) || b[i] != ':' {
			return i, ErrSyntax
		}
		if i, err = fn(name, Space(b, i+1)); err != nil {
			return i, err
		}
		var more bool
		if i, more, err = next(b, i, '}'); !more {
			return i, err
		}
	}
}

// EachElement calls fn for each element of an array, in order and unchanged. The error is
// ErrSyntax if b is not an array.
func EachElement(b []byte, fn func(value []byte) error) error {
	i := Space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return ErrSyntax
	}
	if i = Space(b, i+1); i < len(b) && b[i] == ']' {
		return ending(b, i+1)
	}
	for {
		end, err := Skip(b, i)
		if err != nil {
			return err
		}
		if err := fn(b[i:end]); err != nil {
			return err
		}
		var more bool
		if i, more, err = next(b, end, ']'); err != nil {
			return err
		}
		if !more {
			return ending(b, i)
		}
	}
}

func ending(b []byte, i int) error {
	if Space(b, i) != len(b) {
		return ErrSyntax
	}
	return nil
}

// Kind is the first byte of a checked value, which gives its type: { [ " t f n, or 0 for any
// number.
func Kind(value []byte) byte {
	if len(value) == 0 {
		return 0
	}
	switch c := value[0]; c {
	case '{', '[', '"', 't', 'f', 'n':
		return c
	}
	return '0'
}
