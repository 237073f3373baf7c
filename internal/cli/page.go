package cli

import (
	"os/exec"
	"runtime"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// MinPassphrase is the shortest passphrase the page takes, in bytes.
const MinPassphrase = 8

// PageOptions is what page is asked for.
type PageOptions struct {
	Up UpOptions // but for Passphrase, Ready and Page, which are the page's
	// Ready is called once, with the address that lets a browser in.
	Ready func(url string)
}

type pageCmd struct {
	NoOpen  bool     `name:"no-open" help:"Print the address, and open no browser."`
	NoLAN   bool     `name:"no-lan" help:"Do not look for contacts nearby, nor be found."`
	LANOnly bool     `name:"lan-only" help:"Do not look for contacts beyond the local network, nor be found."`
	Listen  []string `help:"Where the node listens, as a multiaddr; may be given again." placeholder:"MULTIADDR" sep:"none"`
}

// Help is shown below the flags.
func (c *pageCmd) Help() string {
	return `The page is served on this machine only. The address printed lets one browser in,
once, within a minute; ask again for another. If no node runs in this home, this
one does until it is interrupted.

Examples:
  kith
  kith page --no-open`
}

func (c *pageCmd) Run(e *env) error {
	show := func(url string) {
		if e.json {
			e.printJSON(struct {
				URL string `json:"url"`
			}{url})
		} else {
			e.printf("%s\n", url)
		}
		if !c.NoOpen {
			openBrowser(url)
		}
	}
	r, err := e.dial().Page(e.ctx, connect.NewRequest(&apiv1.PageRequest{}))
	if err == nil {
		show(r.Msg.GetUrl())
		return nil
	}
	if !client.NotRunning(err) {
		return e.explain(err)
	}
	up := UpOptions{Home: e.home, Socket: SocketPath(e.home), Listen: c.Listen, LAN: !c.NoLAN, Wide: !c.LANOnly}
	return e.local.Page(e.ctx, PageOptions{Up: up, Ready: show})
}

// openBrowser shows an address to the person; where there is no browser, what was
// printed has to do.
func openBrowser(url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	if cmd := exec.Command(name, args...); cmd.Start() == nil {
		go cmd.Wait()
	}
}
