package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
	"kith/internal/qr"
)

type statusCmd struct{}

func (c *statusCmd) Run(e *env) error {
	r, err := e.dial().Status(e.ctx, connect.NewRequest(&apiv1.StatusRequest{}))
	if err != nil {
		return e.explain(err)
	}
	s := r.Msg
	if e.json {
		contacts := []contactJSON{}
		for _, c := range s.GetContacts() {
			contacts = append(contacts, contactToJSON(c))
		}
		return e.printJSON(struct {
			Running      bool          `json:"running"`
			Account      string        `json:"account"`
			Device       string        `json:"device"`
			Name         string        `json:"name"`
			Version      string        `json:"version"`
			Key          string        `json:"key"`
			LAN          bool          `json:"lan"`
			Addrs        []string      `json:"addrs"`
			Contacts     []contactJSON `json:"contacts"`
			Queued       uint32        `json:"queued"`
			MediaWaiting uint32        `json:"media_waiting"`
			Leaving      uint32        `json:"leaving"`
			Seq          uint64        `json:"seq"`
			Trouble      string        `json:"trouble,omitempty"`
			Prekeys      uint32        `json:"one_time_prekeys"`
		}{true, s.GetAccount(), s.GetDevice(), s.GetName(), s.GetVersion(), s.GetKey(), s.GetLan(), s.GetAddrs(), contacts,
			s.GetQueued(), s.GetMediaWaiting(), s.GetLeaving(), s.GetSeq(), s.GetTrouble(), s.GetOneTimePrekeys()})
	}
	online := 0
	for _, c := range s.GetContacts() {
		if c.GetOnline() {
			online++
		}
	}
	var text strings.Builder
	text.WriteString(fmt.Sprintf("name      %s\naccount   %s\nkey       %s\ncontacts  %d, %d online\nwaiting   %d to send, %d files to receive, %d on their way to relays\n",
		oneLine(s.GetName()), s.GetAccount(), keyText(s.GetKey()), len(s.GetContacts()), online, s.GetQueued(), s.GetMediaWaiting(), s.GetLeaving()))
	for _, a := range s.GetAddrs() {
		text.WriteString(fmt.Sprintf("listens   %s\n", a))
	}
	if s.GetOneTimePrekeys() == 0 {
		text.WriteString("prekeys   none left; sessions that begin now are protected less until the first answer, more are made within the hour\n")
	}
	if s.GetTrouble() != "" {
		text.WriteString(fmt.Sprintf("trouble   %s\n", oneLine(s.GetTrouble())))
	}
	return e.printf("%s", text.String())
}

type downCmd struct{}

func (c *downCmd) Run(e *env) error {
	_, err := e.dial().Stop(e.ctx, connect.NewRequest(&apiv1.StopRequest{}))
	return e.explain(err)
}

type inviteCmd struct {
	Expires time.Duration `help:"How long the invite may be taken up." default:"168h"`
	PNG     string        `name:"png" help:"Also write the QR code to this PNG file." placeholder:"FILE"`
}

func (c *inviteCmd) Run(e *env) error {
	r, err := e.dial().Invite(e.ctx, connect.NewRequest(&apiv1.InviteRequest{LifeSeconds: int64(c.Expires / time.Second)}))
	if err != nil {
		return e.explain(err)
	}
	link, expires := r.Msg.GetLink(), time.Unix(r.Msg.GetExpiresS(), 0)
	if c.PNG != "" {
		if err := writePNG(c.PNG, link); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(struct {
			Link    string `json:"link"`
			Expires string `json:"expires"`
			PNG     string `json:"png,omitempty"`
		}{link, expires.UTC().Format(time.RFC3339), c.PNG})
	}
	if terminal(e.out) {
		code, err := qr.Terminal(strings.ToUpper(link), qr.Colour)
		if err != nil {
			return err
		}
		e.printf("%s\n", code)
	}
	e.printf("%s\n", link)
	fmt.Fprintf(e.errOut, "one person can use it, until %s; send it by a way you trust\n", expires.Format("2006-01-02 15:04"))
	return nil
}

// writePNG writes the code to a new file of the owner's: whoever sees it can
// take up the invite.
func writePNG(path, link string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return client.FileError(err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	return qr.PNG(strings.ToUpper(link), f)
}

type addCmd struct {
	Invite string `arg:"" help:"The link, or a PNG or JPEG file with its QR code; - reads the link from standard input." placeholder:"LINK|IMAGE"`
	Name   string `help:"What to call the contact here; else what the inviter calls herself." placeholder:"NAME"`
}

func (c *addCmd) Run(e *env) error {
	link, err := c.link(e)
	if err != nil {
		return err
	}
	r, err := e.dial().Add(e.ctx, connect.NewRequest(&apiv1.AddRequest{Link: link, Name: c.Name}))
	if err != nil {
		return e.explain(err)
	}
	if e.json {
		return e.printJSON(contactToJSON(r.Msg.GetContact()))
	}
	return e.printf("added %s, pending until that device answers\n", oneLine(r.Msg.GetContact().GetName()))
}

func (c *addCmd) link(e *env) (string, error) {
	if len(c.Invite) >= 5 && strings.EqualFold(c.Invite[:5], "kith:") {
		return c.Invite, nil
	}
	if c.Invite == "-" {
		line, err := bufio.NewReader(e.in).ReadString('\n')
		if line == "" && err != nil {
			return "", &Error{Text: "no link on standard input", Exit: exitUsage}
		}
		return line, nil
	}
	f, err := os.Open(c.Invite)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &Error{Text: fmt.Sprintf("%q is neither an invite link nor a file", c.Invite), Hint: "an invite link begins with kith:", Exit: exitNotFound}
	}
	if err != nil {
		return "", client.FileError(err)
	}
	defer f.Close()
	link, err := qr.Decode(f)
	if err != nil {
		return "", &Error{Text: fmt.Sprintf("no invite found in %s", c.Invite), Hint: "the picture must show the whole QR code, as PNG or JPEG", Exit: exitUsage}
	}
	return link, nil
}

type contactsCmd struct{}

func (c *contactsCmd) Run(e *env) error {
	r, err := e.dial().Contacts(e.ctx, connect.NewRequest(&apiv1.ContactsRequest{}))
	if err != nil {
		return e.explain(err)
	}
	for _, c := range r.Msg.GetContacts() {
		if e.json {
			if err := e.printJSON(contactToJSON(c)); err != nil {
				return err
			}
			continue
		}
		e.printf("%s\n", contactLine(c))
	}
	if len(r.Msg.GetContacts()) == 0 && !e.json {
		fmt.Fprintln(e.errOut, "nobody yet: kith invite makes an invite to hand over, kith add takes one up")
	}
	return nil
}

func contactLine(c *apiv1.Contact) string {
	var marks []string
	switch {
	case c.GetBlocked():
		marks = append(marks, "blocked")
	case c.GetState() == "refused":
		marks = append(marks, "refused: the invite is "+c.GetReason())
	case c.GetState() == "pending":
		marks = append(marks, "pending")
	case c.GetOnline():
		marks = append(marks, "online")
	default:
		marks = append(marks, "offline")
	}
	if c.GetVerified() {
		marks = append(marks, "verified")
	}
	if c.GetReduced() {
		marks = append(marks, "reduced secrecy until an answer")
	}
	if c.GetStale() {
		marks = append(marks, "keys stand still until an answer")
	}
	if !c.GetReceipts() {
		marks = append(marks, "no receipts")
	}
	if !c.GetTyping() {
		marks = append(marks, "no typing")
	}
	if c.GetUnread() > 0 {
		marks = append(marks, fmt.Sprintf("%d unread", c.GetUnread()))
	}
	return fmt.Sprintf("%-20s %-28s %s", oneLine(c.GetName()), strings.Join(marks, ", "), c.GetAccount())
}

type verifyCmd struct {
	Contact string `arg:"" help:"Name or account." placeholder:"NAME"`
	Mark    bool   `help:"Mark the contact as verified: you compared the numbers." xor:"mark"`
	Unmark  bool   `help:"Take the mark back." xor:"mark"`
}

func (c *verifyCmd) Run(e *env) error {
	req := &apiv1.VerifyRequest{Contact: c.Contact}
	switch {
	case c.Mark:
		req.Change = apiv1.VerifyRequest_MARK
	case c.Unmark:
		req.Change = apiv1.VerifyRequest_UNMARK
	}
	r, err := e.dial().Verify(e.ctx, connect.NewRequest(req))
	if err != nil {
		return e.explain(err)
	}
	v := r.Msg
	if e.json {
		return e.printJSON(struct {
			Name         string `json:"name"`
			Account      string `json:"account"`
			SafetyNumber string `json:"safety_number"`
			Verified     bool   `json:"verified"`
		}{v.GetContact().GetName(), v.GetContact().GetAccount(), v.GetSafetyNumber(), v.GetContact().GetVerified()})
	}
	groups := strings.Fields(v.GetSafetyNumber())
	for i := 0; i+4 <= len(groups); i += 4 {
		e.printf("  %s\n", strings.Join(groups[i:i+4], " "))
	}
	if v.GetContact().GetVerified() {
		return e.printf("\n%s is verified\n", oneLine(v.GetContact().GetName()))
	}
	return e.printf("\n%s must see the same number; compare it in person or on a call, then: kith verify --mark %s\n",
		oneLine(v.GetContact().GetName()), quoteArg(v.GetContact().GetName()))
}

// quoteArg quotes a name for a shell when it needs it.
func quoteArg(s string) string {
	s = oneLine(s)
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
