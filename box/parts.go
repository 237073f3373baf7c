package box

import "bytes"

// Split cuts a message of 1 to [MaxMessage] bytes into parts for consecutive boxes.
// It fails with [ErrLimit].
func Split(message []byte) ([][]byte, error) {
	if len(message) == 0 || len(message) > MaxMessage {
		return nil, ErrLimit
	}
	const most = Capacity - partHeader
	n := (len(message) + most - 1) / most
	var parts [][]byte
	for i := range n {
		end := min(len(message), (i+1)*most)
		p := make([]byte, 0, partHeader+end-i*most)
		p = append(p, byte(i), byte(n))
		parts = append(parts, append(p, message[i*most:end]...))
	}
	return parts, nil
}

// Join puts together the message of which a box held a part, from parts by the index
// of their box. It returns the message and the boxes it was in; both are nil while
// parts are missing. A part that belongs to no message is its own box's fault: then
// the message is nil and that box alone is used up.
func Join(index uint64, parts map[uint64][]byte) (message []byte, used []uint64) {
	number, of, ok := partHead(parts[index])
	if !ok || uint64(number) > index {
		return nil, []uint64{index}
	}
	begin := index - uint64(number)
	var b bytes.Buffer
	for i := range uint64(of) {
		p, have := parts[begin+i]
		if !have {
			return nil, nil
		}
		n, o, ok := partHead(p)
		if !ok || n != uint8(i) || o != of {
			return nil, []uint64{index}
		}
		b.Write(p[partHeader:])
		used = append(used, begin+i)
	}
	return b.Bytes(), used
}

// partHead reads a part's place. All parts but the last are full.
func partHead(p []byte) (number, of uint8, ok bool) {
	if len(p) <= partHeader || len(p) > Capacity {
		return 0, 0, false
	}
	number, of = p[0], p[1]
	full := len(p) == Capacity
	return number, of, of >= 1 && of <= MaxParts && number < of && (full || number == of-1)
}
