package jsonscan

import "unicode/utf8"

// Text returns the string that a JSON string stands for. The error is ErrSyntax if value is not
// a string.
func Text(value []byte) (string, error) {
	if len(value) < 2 || value[0] != '"' {
		return "", ErrSyntax
	}
	end, escaped, err := SkipString(value, 0)
	if err != nil || end != len(value) {
		return "", ErrSyntax
	}
	if !escaped {
		return string(value[1 : len(value)-1]), nil
	}
	return string(appendUnescaped(nil, value[1:len(value)-1])), nil
}

// AppendText appends the bytes that a checked JSON string stands for.
func AppendText(dst, value []byte) []byte {
	return appendUnescaped(dst, value[1:len(value)-1])
}

// appendUnescaped appends the inside of a checked string.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		from := i
		for i < len(s) && s[i] != '\\' {
			i++
		}
		dst = append(dst, s[from:i]...)
		if i < len(s) {
			r, n := escape(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += max(n, 1)
		}
	}
	return dst
}

// AppendEscape appends what the escape at the beginning of s stands for. The error is ErrSyntax
// if there is none.
func AppendEscape(dst, s []byte) ([]byte, error) {
	r, n := escape(s)
	if n == 0 {
		return dst, ErrSyntax
	}
	return utf8.AppendRune(dst, r), nil
}

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
