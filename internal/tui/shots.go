package tui

import (
	"image"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// showable reports a file that may be a picture that is shown here, by its
// sender's word; decoding finds out.
func showable(a *apiv1.Media) bool {
	switch a.GetType() {
	case "image/jpeg", "image/png", "image/gif":
		return a.GetState() == "stored" && a.GetSize() <= maxPictureFile
	}
	return false
}

// pictures are those that were decoded, made small.
type pictures struct {
	all  map[shotKey]*shot
	came map[string]int // for each message how many times one came
	next int            // number of the next that is given to the terminal

	highest int // number that was given; 0: none
}

type shotKey struct {
	message string
	index   int
}

// shot is one picture: being asked for, here, or not to be had.
type shot struct {
	img  image.Image // nil: not here
	id   int         // by which the terminal knows it, with placeholders; 0: not given
	cols int         // cells it stands on there
	rows int

	within image.Point // what was asked for
}

func newPictures() pictures {
	return pictures{all: map[shotKey]*shot{}, came: map[string]int{}, next: firstShot}
}

// drop forgets all, so that they are asked for again.
func (p *pictures) drop(blocks map[string]*block) {
	clear(p.all)
	for k := range p.came {
		p.came[k]++
	}
	clear(blocks)
}

// drawn is a picture that was asked for.
type drawn struct {
	key    shotKey
	within image.Point // what was asked for
	img    image.Image
	err    error
}

// wantPictures asks for one that is shown and not here, one at a time.
func (m *Model) wantPictures() tea.Cmd {
	if m.thumbRows() == 0 || m.away {
		return nil
	}
	for _, s := range m.shots.all {
		if s.img == nil && s.id == asking {
			return nil
		}
	}
	for _, one := range m.visible() {
		for i, a := range one.GetMedia() {
			key := shotKey{one.GetId(), i}
			if !showable(a) || m.shots.all[key] != nil {
				continue
			}
			if len(m.shots.all) >= maxShots {
				m.shots.drop(m.line.blocks)
			}
			s := &shot{id: asking, within: m.thumbPixels()}
			m.shots.all[key] = s
			return m.askPicture(key, s.within)
		}
	}
	return nil
}

func (m *Model) askPicture(key shotKey, within image.Point) tea.Cmd {
	return func() tea.Msg {
		img, err := m.Node.Picture(m.ctx, key.message, key.index, within)
		return drawn{key, within, img, err}
	}
}

// havePicture takes one in; one that cannot be shown stays a line of text.
func (m *Model) havePicture(d drawn) tea.Cmd {
	s := m.shots.all[d.key]
	if s == nil || s.within != d.within {
		return nil // dropped since, or asked for in another size
	}
	*s = shot{img: d.img, within: d.within}
	m.shots.came[d.key.message]++
	if d.err != nil || !m.term.inline() {
		return nil
	}
	return m.give(s, m.thumbCols(), m.thumbRows())
}

// visible are the messages some of which is shown.
func (m *Model) visible() []*apiv1.Message {
	ends := m.ends()
	bottom := m.bottom(ends)
	start, first, last := 0, len(ends), 0
	for i, end := range ends {
		if end > bottom-m.tall() && start < bottom {
			first, last = min(first, i), i+1
		}
		start = end
	}
	if first >= last {
		return nil
	}
	return m.line.messages[first:last]
}
