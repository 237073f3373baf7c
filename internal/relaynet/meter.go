package relaynet

import (
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// meter is a connection that knows whether a TLS record has begun and not yet
// ended, which the TLS above it shows to nobody. Read has one caller.
type meter struct {
	net.Conn

	mu    sync.Mutex // guards what follows
	head  [5]byte    // of a record: type, version, length
	have  int        // bytes of head
	left  int        // bytes of the record still to come
	begun time.Time
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if n > 0 {
		m.mu.Lock()
		m.feed(b[:n])
		m.mu.Unlock()
	}
	return n, err
}

// feed follows the records in what was read.
func (m *meter) feed(b []byte) {
	for len(b) > 0 {
		if m.have < len(m.head) {
			if m.have == 0 {
				m.begun = time.Now()
			}
			n := copy(m.head[m.have:], b)
			m.have, b = m.have+n, b[n:]
			if m.have == len(m.head) {
				m.left = int(binary.BigEndian.Uint16(m.head[3:]))
			}
		} else {
			n := min(m.left, len(b))
			m.left, b = m.left-n, b[n:]
		}
		if m.have == len(m.head) && m.left == 0 {
			m.have = 0
		}
	}
}

// late reports whether a record began longer ago than that and is not whole.
func (m *meter) late(most time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.have > 0 && time.Since(m.begun) > most
}
