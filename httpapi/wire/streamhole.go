package wire

// hole is a place in a stream for something that cannot be read yet. A row is appended inside a
// snapshot, where nothing else may be read. Its holes are filled when the stream is flushed,
// outside the snapshot.
type hole struct {
	at   int // index in the stream's buffer
	fill func() error
}

// maxHoles is how many holes a stream may have before it counts as full.
const maxHoles = 64

// Later lets fill append something here later. It may flush while it does.
func (st *Stream) Later(fill func() error) { st.holes = append(st.holes, hole{len(st.Buf), fill}) }

// fill fills the holes. It sends what is ready while it does.
func (st *Stream) fill() error {
	if len(st.holes) == 0 {
		return nil
	}
	holes, old := st.holes, st.Buf
	st.holes, st.Buf = nil, make([]byte, 0, 2*StreamPiece)
	from := 0
	for i := range holes {
		h := &holes[i]
		st.Buf = append(st.Buf, old[from:h.at]...)
		from = h.at
		if err := h.fill(); err != nil {
			return err
		}
	}
	st.Buf = append(st.Buf, old[from:]...)
	return nil
}
