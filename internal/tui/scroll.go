package tui

// ends gives for each message of the window the line behind its last.
func (m *Model) ends() []int {
	ends := make([]int, len(m.line.messages))
	total := 0
	for i := range m.line.messages {
		total += len(m.block(i).lines)
		ends[i] = total
	}
	return ends
}

// bottom is the line behind the last that is shown.
func (m *Model) bottom(ends []int) int {
	if len(ends) == 0 {
		return 0
	}
	t, total := &m.line, ends[len(ends)-1]
	bottom := total
	if i := t.index(t.anchor); t.anchor != "" && i >= 0 {
		start := 0
		if i > 0 {
			start = ends[i-1]
		}
		bottom = start + min(t.lines, ends[i]-start)
	}
	return min(max(bottom, m.tall()), total)
}

// moveTo makes a line the one behind the last that is shown.
func (m *Model) moveTo(ends []int, bottom int) {
	t := &m.line
	if len(ends) == 0 {
		return
	}
	total := ends[len(ends)-1]
	if bottom = min(max(bottom, m.tall()), total); bottom == total && !t.later {
		t.anchor, t.below = "", 0
		return
	}
	start := 0
	for i, end := range ends {
		if bottom <= end {
			t.anchor, t.lines = t.messages[i].GetId(), bottom-start
			return
		}
		start = end
	}
}

// scroll moves what is shown by lines, and the selection with it.
func (m *Model) scroll(by int) {
	ends := m.ends()
	m.line.stuck = false
	m.moveTo(ends, m.bottom(ends)+by)
	if m.focus == onTimeline {
		m.keepSelection(ends)
	}
}

// keepSelection selects what is shown if the selected message is not.
func (m *Model) keepSelection(ends []int) {
	t := &m.line
	bottom := m.bottom(ends)
	top := max(0, bottom-m.tall())
	start := 0
	best := -1
	for i, end := range ends {
		if end > top && start < bottom { // some of it is shown
			if t.messages[i].GetId() == t.sel {
				return
			}
			if best < 0 || start < top || t.index(t.sel) > i {
				best = i
			}
		}
		start = end
	}
	if best >= 0 {
		t.sel = t.messages[best].GetId()
	}
}

// choose selects the message so many places on, and brings it into view.
func (m *Model) choose(by int) {
	t := &m.line
	if len(t.messages) == 0 {
		return
	}
	t.stuck = false
	i := t.index(t.sel)
	if t.sel == "" || i < 0 {
		i = len(t.messages)
	}
	m.reveal(min(max(i+by, 0), len(t.messages)-1))
}

// reveal selects a message and brings it into view.
func (m *Model) reveal(i int) {
	m.line.sel = m.line.messages[i].GetId()
	ends := m.ends()
	bottom, start := m.bottom(ends), 0
	if i > 0 {
		start = ends[i-1]
	}
	if ends[i] > bottom {
		bottom = min(ends[i], start+m.tall())
	}
	if start < bottom-m.tall() {
		bottom = start + m.tall()
	}
	m.moveTo(ends, bottom)
}

// settle brings a message that was jumped to into the middle, once it is here.
func (m *Model) settle() {
	t := &m.line
	if !t.jump || t.loading {
		return
	}
	t.jump = false
	i := t.index(t.sel)
	if i < 0 {
		t.sel = ""
		m.say("that message is not here")
		return
	}
	ends := m.ends()
	start := 0
	if i > 0 {
		start = ends[i-1]
	}
	m.moveTo(ends, (start+ends[i])/2+m.tall()/2)
}

// toEnd shows the newest.
func (m *Model) toEnd() bool {
	t := &m.line
	if t.later {
		return false
	}
	t.anchor, t.below = "", 0
	if len(t.messages) > 0 {
		t.sel = t.messages[len(t.messages)-1].GetId()
	}
	return true
}
