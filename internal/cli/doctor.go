package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// DoctorOptions is what doctor is asked for.
type DoctorOptions struct {
	Home string
	// Running is what the node says of itself; nil: no node runs here.
	Running *apiv1.ReachResponse
	Status  *apiv1.StatusResponse // nil like Running
	Relays  []string              // links of relays to look at; of a running node its own
	// Begin are nodes of the DHT to try beside those that are known, when no node
	// runs here.
	Begin []string
}

// Finding is one thing that doctor looked at.
type Finding struct {
	Name  string // a word or two
	State string // one of the four below
	Says  string // what is so
	Do    string // what to do about it; empty: nothing
}

// States of a finding.
const (
	Good    = "good"
	Poor    = "poor" // it works, and could be better
	Bad     = "bad"
	Unknown = "unknown"
)

type doctorCmd struct {
	Relay     []string `help:"Look at this relay, too; may be given again." placeholder:"LINK" sep:"none"`
	Bootstrap []string `help:"Begin here, too, when no node is running; may be given again." placeholder:"MULTIADDR" sep:"none"`
}

// Help is shown below the flags.
func (c *doctorCmd) Help() string {
	return `Says in plain words what works from here: the local network, UDP, whether others
can reach this device, relays and their keys, clocks, the keychain, the disk;
and what to do about what does not. It works with the node running or not.

It exits with 1 when something is bad.`
}

func (c *doctorCmd) Run(e *env) error {
	o := DoctorOptions{Home: e.home, Relays: c.Relay, Begin: c.Bootstrap}
	ctx, cancel := context.WithTimeout(e.ctx, doctorPatience)
	defer cancel()
	if err := o.ask(ctx, e.dial()); err != nil && !client.NotRunning(err) && !client.BrokeOff(err) {
		return e.explain(err)
	}
	bad := 0
	for _, f := range e.local.Doctor(ctx, o) {
		if f.State == Bad {
			bad++
		}
		if err := e.printFinding(f); err != nil {
			return err
		}
	}
	if bad > 0 {
		return &Error{Text: fmt.Sprintf("%d of these keep something from working", bad), Exit: exitFailed}
	}
	return nil
}

// doctorPatience bounds all that doctor does.
const doctorPatience = time.Minute

// ask takes what a running node says; an error leaves it as if none ran.
func (o *DoctorOptions) ask(ctx context.Context, c *client.Client) error {
	status, err := c.Status(ctx, connect.NewRequest(&apiv1.StatusRequest{}))
	if err != nil {
		return err
	}
	reach, err := c.Reach(ctx, connect.NewRequest(&apiv1.ReachRequest{}))
	if err != nil {
		return err
	}
	relays, err := c.Relays(ctx, connect.NewRequest(&apiv1.RelaysRequest{}))
	if err != nil {
		return err
	}
	for _, r := range relays.Msg.GetRelays() {
		o.Relays = append(o.Relays, r.GetLink())
	}
	o.Running, o.Status = reach.Msg, status.Msg
	return nil
}

func (e *env) printFinding(f Finding) error {
	if e.json {
		return e.printJSON(struct {
			Name  string `json:"name"`
			State string `json:"state"`
			Says  string `json:"says"`
			Do    string `json:"do"`
		}{f.Name, f.State, f.Says, f.Do})
	}
	mark := map[string]string{Good: "ok", Poor: "--", Bad: "!!", Unknown: "??"}[f.State]
	if err := e.printf("%-2s  %-11s %s\n", mark, f.Name, oneLine(f.Says)); err != nil || f.Do == "" {
		return err
	}
	return e.printf("%s%s\n", strings.Repeat(" ", 16), oneLine("do: "+f.Do))
}
