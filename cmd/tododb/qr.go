package main

import (
	"io"
	"strings"

	qr "github.com/piglig/go-qr"
)

// quiet is the light margin around a QR code, in its dots.
const quiet = 2

// drawQR draws a text as a QR code, two rows of dots a line, in black on white whatever the
// terminal's colours are. If the code is wider than the columns, nothing is drawn, and wide says
// how many it takes.
func drawQR(w io.Writer, text string, columns int) (wide int, err error) {
	code, err := qr.EncodeText(text, qr.Low)
	if err != nil {
		return 0, err
	}
	wide = code.Size() + 2*quiet
	if wide > columns {
		return wide, nil
	}
	dark := func(x, y int) bool {
		x, y = x-quiet, y-quiet
		return x >= 0 && y >= 0 && x < code.Size() && y < code.Size() && code.Module(x, y)
	}
	var b strings.Builder
	for y := 0; y < wide; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := range wide {
			switch upper, lower := dark(x, y), dark(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	_, err = io.WriteString(w, b.String())
	return wide, err
}
