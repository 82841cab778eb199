package wire

// hole is a place in a stream where something belongs that cannot be read yet. A row is
// appended inside a snapshot, where nothing else may be read: what fills its holes comes
// when the stream is flushed, which is outside of one.
type hole struct {
	at   int // index in the stream's buffer
	fill func() error
}

// maxHoles is how many wait before the stream counts as full.
const maxHoles = 64

// Later has fill append something here, later on, and flush as it goes.
func (st *Stream) Later(fill func() error) { st.holes = append(st.holes, hole{len(st.Buf), fill}) }

// fill puts what belongs into the holes. It sends what has gathered as it goes.
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
