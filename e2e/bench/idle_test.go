package bench

import (
	"fmt"
	"time"
)

// Targets for a node at rest.
const (
	idleLimit  = 40 << 20
	readyLimit = 500 * time.Millisecond
	starts     = 10
)

// Kinds of vault: Alice's and Bob's.
const (
	kindPassphrase = "passphrase"
	kindFile       = "key file"
)

// idle measures the memory of two nodes that are each other's contact and have
// nothing to do.
func (b *bed) idle() {
	p := b.pair(true)
	defer p.end()
	p.alice.down()
	p.bob.down()
	p.alice.up()
	p.bob.up()
	time.Sleep(*settle)
	for kind, who := range map[string]*person{kindPassphrase: p.alice, kindFile: p.bob} {
		m, err := resident(who.pid())
		if err != nil {
			b.Logf("not measured: %v", err)
			return
		}
		b.rows = append(b.rows, row{fmt.Sprintf("idle memory, one contact, after %s, %s", *settle, kind), mib(m), "", "",
			"<= " + mib(idleLimit), judge(m <= idleLimit)})
	}
}

// ready measures the time from the start of the process to its ready line, on
// a home with a contact.
func (b *bed) ready() {
	p := b.pair(true)
	defer p.end()
	for kind, who := range map[string]*person{kindPassphrase: p.alice, kindFile: p.bob} {
		var took figures[time.Duration]
		for range starts {
			who.down()
			who.up()
			took = append(took, who.took)
		}
		b.rows = append(b.rows, row{"kith up to ready, warm, " + kind, took.spread(ms), "", "", "<= " + ms(readyLimit), judge(took.median() <= readyLimit)})
	}
}
