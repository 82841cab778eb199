package jsonscan

// EachMember calls fn for each member of an object, in order, with its name, which is
// good until the next call, and its value as it stands. It checks what it passes; b may
// have white space around it. ErrSyntax if b is no object.
func EachMember(b []byte, fn func(name, value []byte) error) error {
	i := Space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return ErrSyntax
	}
	var scratch []byte
	if i = Space(b, i+1); i < len(b) && b[i] == '}' {
		return ending(b, i+1)
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return ErrSyntax
		}
		end, escaped, err := SkipString(b, i)
		if err != nil {
			return err
		}
		name := b[i+1 : end-1]
		if escaped {
			scratch = appendUnescaped(scratch[:0], name)
			name = scratch
		}
		if i = Space(b, end); i >= len(b) || b[i] != ':' {
			return ErrSyntax
		}
		i = Space(b, i+1)
		if end, err = Skip(b, i); err != nil {
			return err
		}
		if err := fn(name, b[i:end]); err != nil {
			return err
		}
		if i = Space(b, end); i >= len(b) {
			return ErrSyntax
		}
		switch b[i] {
		case ',':
			i = Space(b, i+1)
		case '}':
			return ending(b, i+1)
		default:
			return ErrSyntax
		}
	}
}

// EachElement calls fn for each element of an array, in order, as it stands.
// ErrSyntax if b is no array.
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
		if i = Space(b, end); i >= len(b) {
			return ErrSyntax
		}
		switch b[i] {
		case ',':
			i = Space(b, i+1)
		case ']':
			return ending(b, i+1)
		default:
			return ErrSyntax
		}
	}
}

func ending(b []byte, i int) error {
	if Space(b, i) != len(b) {
		return ErrSyntax
	}
	return nil
}

// Kind is the first byte of a value, which tells what it is: { [ " t f n, and 0 for
// any number; a value must have been checked.
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
