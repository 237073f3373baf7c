package cli

import (
	"fmt"
	"io"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// RelayOptions is what relay is asked for.
type RelayOptions struct {
	Home   string
	Listen string
	Public []string // host:port under which it is reached, for its link
	Bytes  int64    // the most it holds
	// Bootstrap are nodes of the DHT to begin with.
	Bootstrap []string
	// Links says that it connects people to each other, too.
	Links bool
	// Ready is called once, when the relay can be reached, with its link and
	// where others can begin; the latter is empty without Links.
	Ready func(link string, bootstrap []string)
	// Log gets lines that say nothing about anybody.
	Log io.Writer
	// Quiet wants only errors in Log; Verbose wants to know each hour how it stands.
	Quiet, Verbose bool
}

type relayCmd struct {
	Listen    string   `help:"Where to listen; 0.0.0.0:4747 when not given." default:"0.0.0.0:4747" placeholder:"HOST:PORT"`
	Public    []string `help:"Address by which others reach this relay, if it is another; may be given again." placeholder:"HOST:PORT" sep:"none"`
	Bootstrap []string `help:"Another relay to know of, as kith relay prints it; may be given again." placeholder:"MULTIADDR" sep:"none"`
	BoxesOnly bool     `name:"boxes-only" help:"Hold boxes, but do not connect people to each other."`
	Max       int64    `help:"The most it holds, in MiB; 1024 when not given." default:"1024" placeholder:"MIB"`
	LogLevel  string   `name:"log-level" help:"How much it tells of itself: error, info or debug. Nothing of it is about anybody, at any level." enum:"error,info,debug" default:"info" placeholder:"LEVEL"`
}

// Help is shown below the flags.
func (c *relayCmd) Help() string {
	return `A relay holds sealed boxes for people who are away, until they are fetched or
expire. It cannot tell who writes to whom, keeps nothing about anybody on its
disk or in its log, and needs no account: only a home of its own.

Examples:
  kith --home ~/relay relay --public relay.example.org:4747
  kith relays add kith-relay://...       then, on each device that is to use it`
}

// maxMiB is the most a relay can be told to hold: a pebibyte.
const maxMiB = 1 << 30

func (c *relayCmd) Run(e *env) error {
	if c.Max < 1 || c.Max > maxMiB {
		return &Error{Text: fmt.Sprintf("a relay holds from 1 to %d MiB", maxMiB), Hint: "such as --max 1024, which is what it holds when not told", Exit: 2}
	}
	o := RelayOptions{Home: e.home, Listen: c.Listen, Public: c.Public, Bytes: c.Max << 20, Log: e.errOut,
		Bootstrap: c.Bootstrap, Links: !c.BoxesOnly, Quiet: c.LogLevel == "error", Verbose: c.LogLevel == "debug"}
	o.Ready = func(link string, bootstrap []string) {
		if e.json {
			e.printJSON(struct {
				Ready     bool     `json:"ready"`
				Link      string   `json:"link"`
				Bootstrap []string `json:"bootstrap,omitempty"`
			}{true, link, bootstrap})
			return
		}
		e.printf("ready %s\n", link)
		for _, b := range bootstrap {
			e.printf("bootstrap %s\n", b)
		}
	}
	return e.local.Relay(e.ctx, o)
}

type relaysCmd struct {
	List   relaysListCmd   `cmd:"" default:"1" help:"List the relays this node uses."`
	Add    relaysAddCmd    `cmd:"" help:"Use a relay from now on; contacts hear of it."`
	Remove relaysRemoveCmd `cmd:"" help:"Stop using a relay, with each contact as soon as that one knows."`
}

type relaysListCmd struct{}

func (c *relaysListCmd) Run(e *env) error {
	r, err := e.dial().Relays(e.ctx, connect.NewRequest(&apiv1.RelaysRequest{}))
	if err != nil {
		return e.explain(err)
	}
	if len(r.Msg.GetRelays()) == 0 && !e.json {
		fmt.Fprintln(e.errOut, "no relays: messages to people who are away and use none either wait here until both are online; kith relays add LINK")
	}
	for _, x := range r.Msg.GetRelays() {
		state := "not asked yet"
		switch {
		case x.GetReachable():
			state = "answers"
		case x.GetAsked():
			state = "does not answer"
		}
		if e.json {
			err = e.printJSON(struct {
				Link  string `json:"link"`
				State string `json:"state"`
			}{x.GetLink(), state})
		} else {
			err = e.printf("%-16s %s\n", state, x.GetLink())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type relaysAddCmd struct {
	Link string `arg:"" help:"What kith relay printed when it started." placeholder:"LINK"`
}

func (c *relaysAddCmd) Run(e *env) error {
	_, err := e.dial().AddRelay(e.ctx, connect.NewRequest(&apiv1.AddRelayRequest{Link: c.Link}))
	return e.explain(err)
}

type relaysRemoveCmd struct {
	Link string `arg:"" help:"As kith relays shows it." placeholder:"LINK"`
}

func (c *relaysRemoveCmd) Run(e *env) error {
	_, err := e.dial().RemoveRelay(e.ctx, connect.NewRequest(&apiv1.RemoveRelayRequest{Link: c.Link}))
	return e.explain(err)
}
