package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"kith/internal/client"
)

// Exit codes, part of the help text.
const (
	exitOK       = client.ExitOK
	exitFailed   = client.ExitFailed
	exitUsage    = client.ExitUsage
	exitNotFound = client.ExitNotFound
	exitNotNow   = client.ExitNotNow
	exitLocked   = client.ExitLocked
	exitTimeout  = client.ExitTimeout
)

const exitHelp = `Exit codes: 0 done, 1 failed, 2 wrong use, 3 no node is running in this home,
4 no such contact, message or file, 5 not possible now (expired, used, exists
already, not complete yet), 6 the passphrase is missing or wrong, 7 the wait
given with --timeout is over.

Examples:
  kith                              open the page; no other command is needed
  kith init --name Alice            make an account in ~/.kith
  kith up                           run the node; leave it running
  kith invite --png invite.png      make a one-time invite to hand over
  kith add invite.png               take up an invite
  kith send bob "hello" --file photo.jpg
  kith log bob --follow
  kith chat                         talk on the whole terminal
  kith react 3f2a 👍                say what you think of a message
  kith delete 3f2a --for-everyone   take back what you said`

// InitOptions is what init is asked for.
type InitOptions struct {
	Home, Name string
	Phrase     string // restore this account; empty: a new one
	KeyFile    bool
	// UsePassphrase wants the key under a passphrase, whether or not there is a
	// keychain.
	UsePassphrase bool
	Passphrase    func() ([]byte, error)
}

// InitResult is what init made.
type InitResult struct {
	Account, Name, Key string
	Phrase             []string
}

// UpOptions is what up is asked for.
type UpOptions struct {
	Home       string
	Socket     string
	Listen     []string
	LAN        bool
	Wide       bool      // look for contacts beyond the local network, too
	Bootstrap  []string  // nodes to begin with there; empty: those given the last time
	Verbose    io.Writer // where to log; nil: nowhere
	Passphrase func() ([]byte, error)
	// Ready is called once, when the node can be reached.
	Ready func(account string, addrs []string)
	// Page, if not nil, is given what is to be behind the page, and returns what opens
	// it for one more browser.
	Page func(behind http.Handler) (launch func() (string, error))
}

// Local is what only the machine itself can do: make a home and run a node.
// Its errors are shown as they are; an [*Error] brings its own hint and code.
type Local interface {
	Init(ctx context.Context, o InitOptions) (*InitResult, error)
	Up(ctx context.Context, o UpOptions) error
	// Page serves the page, also before there is an account, and runs the node.
	Page(ctx context.Context, o PageOptions) error
	Relay(ctx context.Context, o RelayOptions) error
	Doctor(ctx context.Context, o DoctorOptions) []Finding
	Version() string
}

// Locked makes the error for a missing or wrong passphrase.
func Locked(text, hint string) error { return &Error{Text: text, Hint: hint, Exit: exitLocked} }

// IsLocked reports an error for a missing or wrong passphrase.
func IsLocked(e *Error) bool { return e.Exit == exitLocked }

// NotNow makes the error for something that is not possible now.
func NotNow(text, hint string) error { return &Error{Text: text, Hint: hint, Exit: exitNotNow} }

// NotFound makes the error for something that is not there.
func NotFound(text, hint string) error { return &Error{Text: text, Hint: hint, Exit: exitNotFound} }

// grammar is every verb and flag.
type grammar struct {
	Home    string           `help:"Home directory; ~/.kith when not given." env:"KITH_HOME" default:"${home}" placeholder:"DIR"`
	JSON    bool             `help:"Print data as JSON, one object a line."`
	Version kong.VersionFlag `help:"Print the version."`

	Page     pageCmd     `cmd:"" help:"Open the page in a browser, and run the node if it does not run; so does kith alone."`
	Init     initCmd     `cmd:"" help:"Make an account and its home directory."`
	Up       upCmd       `cmd:"" help:"Run the node in the foreground."`
	Down     downCmd     `cmd:"" help:"End the running node."`
	Status   statusCmd   `cmd:"" help:"Say who this node is and how it stands."`
	Invite   inviteCmd   `cmd:"" help:"Make a one-time invite."`
	Add      addCmd      `cmd:"" help:"Take up an invite, from a link or a picture of its QR code."`
	Contacts contactsCmd `cmd:"" help:"List contacts."`
	Verify   verifyCmd   `cmd:"" help:"Show the safety number with a contact, and mark it as compared."`
	Send     sendCmd     `cmd:"" help:"Send text and files to a contact."`
	Edit     editCmd     `cmd:"" help:"Give a message of yours another text."`
	Delete   deleteCmd   `cmd:"" help:"Delete messages, here or for everyone."`
	React    reactCmd    `cmd:"" help:"React to a message with an emoji."`
	Read     readCmd     `cmd:"" help:"Mark a conversation as read."`
	Block    blockCmd    `cmd:"" help:"Take nothing more from a contact, and tell it nothing."`
	Unblock  unblockCmd  `cmd:"" help:"End a block."`
	Set      setCmd      `cmd:"" help:"Set what a contact is called and may know."`
	Chat     chatCmd     `cmd:"" help:"Talk on a whole terminal."`
	Log      logCmd      `cmd:"" help:"Show a conversation."`
	Search   searchCmd   `cmd:"" help:"Find messages by words."`
	Save     saveCmd     `cmd:"" help:"Save the files of a message."`
	Fetch    fetchCmd    `cmd:"" help:"Fetch the files of a message, pause that or cancel it."`
	Forward  forwardCmd  `cmd:"" help:"Pass a message on to another contact."`
	Relays   relaysCmd   `cmd:"" help:"The relays that hold messages for people who are away."`
	Relay    relayCmd    `cmd:"" help:"Run a relay for others, in the foreground."`
	Doctor   doctorCmd   `cmd:"" help:"Say what works from here, what does not, and what to do about it."`
	Demo     demoCmd     `cmd:"" help:"See it work: two nodes on this machine, an invite, text, a photo, a file."`
}

// env is what a verb runs in.
type env struct {
	ctx    context.Context
	home   string
	json   bool
	ids    bool // show ids of messages to people
	in     *os.File
	out    io.Writer
	errOut io.Writer
	local  Local
}

// Main runs one command line and returns the exit code. Args are without the
// program's name.
func Main(args []string, local Local) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, os.Stdin, os.Stdout, os.Stderr, local)
}

func run(ctx context.Context, args []string, in *os.File, out, errOut io.Writer, local Local) int {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	var g grammar
	exited := -1
	parser, err := kong.New(&g, kong.Name("kith"), kong.Writers(out, errOut),
		kong.Description("A messenger with nobody in the middle.\n\n"+exitHelp),
		kong.Vars{"home": filepath.Join(home, ".kith"), "version": local.Version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { exited = code }))
	if err != nil {
		return report(errOut, err)
	}
	if len(args) == 0 {
		args = []string{"page"}
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		return report(errOut, &Error{Text: err.Error(), Hint: "kith --help, or kith VERB --help", Exit: exitUsage})
	}
	abs, err := filepath.Abs(g.Home)
	if err != nil {
		return report(errOut, err)
	}
	e := &env{ctx: ctx, home: abs, json: g.JSON, in: in, out: out, errOut: errOut, local: local}
	return report(errOut, kctx.Run(e))
}

// report prints an error as one line, and a hint where there is one.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Text: err.Error(), Exit: exitFailed}
		if errors.Is(err, context.Canceled) {
			e.Text = "cancelled"
		}
	}
	fmt.Fprintf(w, "kith: %s\n", oneLine(e.Text))
	if e.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", oneLine(e.Hint))
	}
	return e.Exit
}
