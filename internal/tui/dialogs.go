package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// react asks what the person thinks of a message.
type react struct {
	written
	one *apiv1.Message
}

// emoji are those one key away.
var emoji = []string{"👍", "❤️", "😂", "😮", "😢", "🙏", "🎉", "👎"}

func newReact(one *apiv1.Message) *react { return &react{one: one} }

func (*react) title(*Model) string { return "React" }
func (*react) low() bool           { return true }
func (*react) keys() string        { return "Esc back  1–8 choose, or write one and Enter  0 take it back" }

func (p *react) view(m *Model, w, _ int) ([]string, *point) {
	var row strings.Builder
	for i, e := range emoji {
		row.WriteString(string(rune('1'+i)) + " " + e + "  ")
	}
	line, x := p.line(m.term.cells, "another: ", w)
	return []string{m.term.cells.cut(row.String(), w), line}, &point{x, 1}
}

func (p *react) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch {
	case name == "esc":
		m.close()
	case name == "0":
		m.close()
		return m.react(p.one.GetId(), "")
	case len(name) == 1 && name[0] >= '1' && name[0] <= '8':
		m.close()
		return m.react(p.one.GetId(), emoji[name[0]-'1'])
	case name == "enter" && p.field.text != "":
		m.close()
		return m.react(p.one.GetId(), p.field.text)
	default:
		p.write(m, k)
	}
	return nil
}

// remove asks where a message is to be deleted.
type remove struct {
	still
	one *apiv1.Message
}

func (*remove) title(*Model) string { return "Delete" }
func (*remove) low() bool           { return true }
func (*remove) keys() string        { return "Esc keep it" }

// everywhere reports that the message can be taken back.
func (p *remove) everywhere() bool { return p.one.GetMine() && !p.one.GetDeleted() }

func (p *remove) view(m *Model, w, _ int) ([]string, *point) {
	lines := []string{"h  delete it here, for you alone"}
	if p.everywhere() {
		lines = append(lines, "e  delete it for everyone; nothing undoes what was seen")
	}
	for i := range lines {
		lines[i] = m.term.cells.cut(lines[i], w)
	}
	return lines, nil
}

func (p *remove) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	everyone := k.String() == "e"
	switch {
	case k.String() == "esc", k.String() == "n":
		m.close()
	case k.String() == "h", everyone && p.everywhere():
		m.close()
		id := p.one.GetId()
		return m.do(func(ctx context.Context) error { return m.Node.Delete(ctx, id, everyone) })
	}
	return nil
}

// prompt asks for a path: of a file to send, or of a folder to save into.
type prompt struct {
	written
	word    string
	choices []string
	save    *apiv1.Message // whose files; nil: a file is to be sent
}

func newAttach() *prompt { return &prompt{word: "File: "} }

func newSave(one *apiv1.Message, folder string) *prompt {
	p := &prompt{word: "Folder: ", save: one}
	p.field.insert(folder, false)
	return p
}

func (p *prompt) title(*Model) string { return p.word }
func (*prompt) low() bool             { return true }

func (p *prompt) keys() string {
	if p.save != nil {
		return "Esc back  Enter save  Tab complete"
	}
	return "Esc back  Enter send  Tab complete  Alt+Enter send with place and camera left in it"
}

func (p *prompt) view(m *Model, w, _ int) ([]string, *point) {
	c := m.term.cells
	line, x := p.line(c, p.word, w)
	return []string{line, faint.Styled(c.cut(clean(strings.Join(p.choices, "  "), false), w))}, &point{x, 0}
}

// completion is what a path may become.
type completion struct {
	of, to  string
	choices []string
}

func (p *prompt) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	path := p.field.text
	switch name := k.String(); name {
	case "esc":
		m.close()
	case "tab":
		return ask(m, p, func(context.Context) (completion, error) {
			to, choices := m.Node.Complete(path)
			return completion{path, to, choices}, nil
		})
	case "enter", "alt+enter":
		if path == "" {
			return nil
		}
		m.close()
		if one := p.save; one != nil {
			m.say("saving…")
			return func() tea.Msg {
				paths, err := m.Node.Save(m.ctx, one, path)
				return saved{paths, err}
			}
		}
		return m.attach(path, name == "alt+enter")
	default:
		p.choices = nil
		p.write(m, k)
	}
	return nil
}

func (p *prompt) answered(_ *Model, a answer) tea.Cmd {
	if c := a.what.(completion); c.of == p.field.text {
		p.field.set("")
		p.field.insert(c.to, false)
		p.choices = c.choices
	}
	return nil
}
