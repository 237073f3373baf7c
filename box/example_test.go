package box_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log"
	"time"

	"kith/box"
)

// Alice leaves Bob a message at a relay that knows neither of them. They share a
// root, from the session between them, and know each other's keys and relays.
func Example() {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	var root, alice, bob [32]byte
	for _, b := range [][]byte{root[:], alice[:], bob[:]} {
		rand.Read(b)
	}
	chain, reader := box.NewChain(root, alice, bob), box.NewReader(root, alice, bob)
	clear(root[:])

	// Alice cuts her message into parts and seals each into the next box.
	parts, err := box.Split([]byte("See you at noon."))
	if err != nil {
		log.Fatal(err)
	}
	put, err := chain.Seal(parts[0], box.ExpiryDay(now, box.DefaultLife))
	if err != nil {
		log.Fatal(err)
	}
	// She keeps the chain and the request before anybody sees them, in one commit.
	state, _ := chain.MarshalBinary()
	kept, _ := put.MarshalBinary()
	fmt.Println("kept:", len(state), "bytes of chain,", len(kept), "of request")

	// The relay nearest the box gets a frame that has the size of all frames.
	relays := []box.RelayID{exampleRelay(), exampleRelay(), exampleRelay()}
	nearest := relays[box.Rank(put.Box, relays)[0]]
	work, _ := box.Solve(nearest, box.Day(now), put.Box, 1, func() bool { return false })
	frame, err := (&box.Request{Op: box.OpPut, Tag: 1, Box: put.Box, Put: put, Work: work}).AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}

	// The relay, without any key, sees that it may hold this.
	asked, err := box.ParseRequest(frame)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("relay:", len(frame), "bytes,", asked.Put.Verify(), box.VerifyWork(&asked.Work, nearest, box.Day(now), asked.Box, 1),
		box.AllowedExpiry(box.Day(now), asked.Put.Expiry))

	// Bob asks it for the box he misses, and does not believe everything.
	question := &box.Request{Op: box.OpGet, Tag: 2, Box: reader.Missing(1)[0].Box}
	frame, err = (&box.Reply{Status: box.Found, Tag: question.Tag, Day: box.Day(now), Expiry: asked.Put.Expiry, Sig: asked.Put.Sig, Cell: asked.Put.Cell}).AppendBinary(nil)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := box.ParseReply(frame)
	if err != nil || !reply.Answers(question) {
		log.Fatal("the relay lies: ", err)
	}
	index, part, err := reader.Open(question.Box, reply.Expiry, reply.Cell)
	if err != nil {
		log.Fatal(err)
	}
	message, used := box.Join(index, map[uint64][]byte{index: part})
	fmt.Printf("bob: %s (%d box)\n", message, len(used))

	// He makes the request that deletes it, and then cannot read it again himself.
	del, err := reader.Delete(question.Box)
	if err != nil {
		log.Fatal(err)
	}
	reader.Done(index)
	_, _, err = reader.Open(question.Box, reply.Expiry, reply.Cell)
	fmt.Println("deleted:", del.Verify(), err)
	// Output:
	// kept: 41 bytes of chain, 4196 of request
	// relay: 6144 bytes, true true true
	// bob: See you at noon. (1 box)
	// deleted: true box: does not open
}

func exampleRelay() box.RelayID {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	return box.Relay{Key: [32]byte(public)}.ID()
}
