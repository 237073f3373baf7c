package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// Targets for somebody who returns.
const (
	shownLimit    = time.Second
	returnRelays  = 4
	returnContact = 50
	returns       = 21
)

// comeback measures how long it takes from a node's ready line until what was said
// meanwhile is shown: with the sender still there, and with the sender gone.
func (b *bed) comeback() {
	dir := filepath.Join(b.dir, "return")
	bob := b.newPerson(dir, "Bob", true)
	b.Cleanup(bob.down)
	bob.up()
	var relays []*relay
	for i := range returnRelays {
		r := &relay{b: b, home: filepath.Join(dir, fmt.Sprint("relay", i))}
		b.Cleanup(r.down)
		r.up()
		relays = append(relays, r)
		bob.run(nil, "relays", "add", r.link)
	}
	alice := b.acquaintance(dir, "Alice", bob)
	b.Cleanup(alice.down)
	for i := range returnContact - 1 {
		b.acquaintance(dir, fmt.Sprint("Contact", i), bob).down()
	}
	for _, there := range []bool{true, false} {
		var took figures[time.Duration]
		for i := range returns {
			bob.down()
			// Relays bound what one address may ask (RN-13), and here all 51 devices,
			// and all returns, are of one: each return begins with nothing spent.
			for _, r := range relays {
				r.down()
				r.up()
			}
			text := fmt.Sprintf("%v %d", there, i)
			news := alice.watchNews()
			r, err := alice.Send(b.ctx, connect.NewRequest(&apiv1.SendRequest{Contact: "Bob", Text: text}))
			b.must(err, "sending a text")
			news.await(func(e *apiv1.WatchResponse) bool {
				return message(e).GetId() == r.Msg.GetId() && message(e).GetBoxedOn() == returnRelays
			})
			news.close()
			if !there {
				alice.down()
			}
			bob.up()
			ready := time.Now()
			w := bob.watch(0)
			took = append(took, w.await(func(e *apiv1.WatchResponse) bool { return message(e).GetText() == text }).Sub(ready))
			w.close()
			if !there {
				alice.up()
			}
		}
		who := "gone"
		if there {
			who = "there"
		}
		b.rows = append(b.rows, row{fmt.Sprintf("ready to message shown, %d relays, %d contacts, sender %s, p50", returnRelays, returnContact, who),
			took.spread(ms), "", "", "<= " + ms(shownLimit), judge(took.median() <= shownLimit)})
	}
}

// acquaintance makes somebody who is up and a contact of one who is up.
func (b *bed) acquaintance(dir, name string, of *person) *person {
	p := b.newPerson(dir, name, true)
	p.up()
	var invite struct{ Link string }
	of.run(&invite, "invite")
	p.run(nil, "add", invite.Link)
	for _, x := range [][2]*person{{p, of}, {of, p}} {
		w := x[0].watch(0)
		w.await(func(e *apiv1.WatchResponse) bool {
			return e.GetContact().GetName() == x[1].name && e.GetContact().GetState() == "established"
		})
		w.close()
	}
	// What he says comes after which relays he uses.
	w := p.watchNews()
	_, err := of.Send(b.ctx, connect.NewRequest(&apiv1.SendRequest{Contact: name, Text: "hello"}))
	b.must(err, "sending a text")
	w.await(func(e *apiv1.WatchResponse) bool { return message(e).GetText() == "hello" })
	w.close()
	return p
}

// relay is a running relay.
type relay struct {
	b              *bed
	home, at, link string
	process        *exec.Cmd
}

func (r *relay) up() {
	if r.at == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		r.b.must(err, "finding a port")
		r.at = l.Addr().String()
		l.Close()
	}
	r.process = exec.Command(r.b.kith, "--home", r.home, "--json", "relay", "--listen", r.at)
	out, err := r.process.StdoutPipe()
	r.b.must(err, "starting a relay")
	r.b.must(r.process.Start(), "starting a relay")
	line, err := bufio.NewReader(out).ReadBytes('\n')
	r.b.must(err, "starting a relay")
	var ready struct{ Link string }
	r.b.must(json.Unmarshal(line, &ready), "starting a relay")
	r.link = ready.Link
}

func (r *relay) down() {
	if r.process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait() // it was killed
		r.process = nil
	}
}
