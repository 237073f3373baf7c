package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

type initCmd struct {
	Name    string `required:"" help:"What contacts see at first." placeholder:"NAME"`
	KeyFile bool   `help:"Keep the key in a file that only its permissions protect, instead of the keychain or a passphrase."`
	Restore bool   `help:"Make the account of 24 words given on standard input, instead of a new one."`
}

func (c *initCmd) Run(e *env) error {
	o := InitOptions{Home: e.home, Name: c.Name, KeyFile: c.KeyFile, Passphrase: e.newPassphrase}
	if c.Restore {
		phrase, err := e.readPhrase()
		if err != nil {
			return err
		}
		if phrase == "" { // an empty one stands for a new account
			return &Error{Text: "no recovery phrase on standard input", Hint: "give the 24 words in their order, with spaces between", Exit: exitUsage}
		}
		o.Phrase = phrase
	}
	r, err := e.local.Init(e.ctx, o)
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(struct {
			Account string   `json:"account"`
			Name    string   `json:"name"`
			Home    string   `json:"home"`
			Key     string   `json:"key"`
			Phrase  []string `json:"phrase,omitempty"`
		}{r.Account, r.Name, e.home, r.Key, r.Phrase})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "account  %s\nhome     %s\nkey      %s\n", r.Account, e.home, keyText(r.Key))
	if len(r.Phrase) > 0 {
		b.WriteString("\nWrite these 24 words on paper. They are the account, and are shown only now.\n\n")
		for i := 0; i < len(r.Phrase); i += 4 {
			for j := i; j < i+4; j++ {
				fmt.Fprintf(&b, "  %2d %-10s", j+1, r.Phrase[j])
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\nNext: kith up\n")
	return e.printf("%s", b.String())
}

func keyText(kind string) string {
	switch kind {
	case "keychain":
		return "in this system's keychain"
	case "passphrase":
		return "under your passphrase"
	case "file":
		return "in a file: whoever can read the home directory can read everything"
	}
	return kind
}

func (e *env) readPhrase() (string, error) {
	if terminal(e.in) {
		fmt.Fprint(e.errOut, "The 24 words: ")
	}
	b, err := io.ReadAll(io.LimitReader(e.in, 4096))
	return strings.TrimSpace(string(b)), err
}

// passphrase asks for the passphrase of this home: KITH_PASSPHRASE, else the
// terminal, else an error.
func (e *env) passphrase() ([]byte, error) {
	if p, ok := os.LookupEnv("KITH_PASSPHRASE"); ok {
		return []byte(p), nil
	}
	if !term.IsTerminal(int(e.in.Fd())) {
		return nil, Locked("a passphrase is needed, and there is no terminal to ask on", "set KITH_PASSPHRASE")
	}
	return e.ask("Passphrase: ")
}

// newPassphrase asks for a passphrase twice.
func (e *env) newPassphrase() ([]byte, error) {
	if p, ok := os.LookupEnv("KITH_PASSPHRASE"); ok {
		if p == "" {
			return nil, Locked("KITH_PASSPHRASE is empty", "an empty passphrase protects nothing; for no protection say --key-file")
		}
		return []byte(p), nil
	}
	if !term.IsTerminal(int(e.in.Fd())) {
		return nil, Locked("a passphrase is needed, and there is no terminal to ask on",
			"set KITH_PASSPHRASE, or say --key-file to keep the key in a file")
	}
	first, err := e.ask("New passphrase: ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, Locked("an empty passphrase protects nothing", "for no protection say --key-file")
	}
	second, err := e.ask("The same again: ")
	if err != nil {
		return nil, err
	}
	if string(first) != string(second) {
		return nil, Locked("the two passphrases differ", "")
	}
	return first, nil
}

func (e *env) ask(prompt string) ([]byte, error) {
	fmt.Fprint(e.errOut, prompt)
	p, err := term.ReadPassword(int(e.in.Fd()))
	fmt.Fprintln(e.errOut)
	return p, err
}

type upCmd struct {
	Listen    []string `help:"Where to listen, as a multiaddr such as /ip4/0.0.0.0/tcp/4001; may be given again." placeholder:"MULTIADDR" sep:"none"`
	NoLAN     bool     `name:"no-lan" help:"Do not look for contacts nearby, nor be found: mDNS tells the local network this device's key."`
	LANOnly   bool     `name:"lan-only" help:"Do not look for contacts beyond the local network, nor be found: no relays for links, no DHT, no ports asked of the router."`
	Bootstrap []string `help:"A node to begin with, as kith relay prints it; may be given again, and is remembered. An empty one forgets all." placeholder:"MULTIADDR" sep:"none"`
	Verbose   bool     `short:"v" help:"Log what the node does to standard error; never names, texts or keys."`
}

func (c *upCmd) Run(e *env) error {
	o := UpOptions{Home: e.home, Socket: SocketPath(e.home), Listen: c.Listen, LAN: !c.NoLAN, Wide: !c.LANOnly, Bootstrap: c.Bootstrap, Passphrase: e.passphrase}
	if c.Verbose {
		o.Verbose = e.errOut
	}
	o.Ready = func(account string, addrs []string) {
		if e.json {
			e.printJSON(struct {
				Ready   bool     `json:"ready"`
				Account string   `json:"account"`
				Addrs   []string `json:"addrs"`
			}{true, account, addrs})
			return
		}
		e.printf("ready %s %s\n", account, strings.Join(addrs, " "))
	}
	return e.local.Up(e.ctx, o)
}
