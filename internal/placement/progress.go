package placement

// Unheld returns how many cells are to be held by relays of which none has said
// that it holds them.
func (m *Machine) Unheld() (n int) {
	for _, c := range m.cells {
		if c.most == 0 && !c.over {
			n++
		}
	}
	return n
}
