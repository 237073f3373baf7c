package node

import "context"

// Woken has a node behave as if its machine had slept.
func (n *Node) Woken(ctx context.Context) { n.post(ctx, woken{}) }

// Slept is what tells that it did.
var Slept = slept

// Tellable are the addresses a contact far away is told.
var Tellable = tellable
