package netns

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	run = flag.Bool("netns", false, "make network namespaces and run kith in them (root)")
	bed = flag.String("testbed", "../../../shared/testbed", "where the program lies that turns clocks; without it tests of faked hours are skipped")
)

// lab is a little internet: public hosts on one wire, and homes behind routers.
//
//	 public hosts 192.0.0.130, .131, …      "a public address" to libp2p, nobody's on the real internet
//	==================================      bridge in the namespace inet
//	   router .200          router .201     one for each home: nftables does the NAT
//	 192.168.1.0/24       192.168.2.0/24
//	   hosts .11, .12       hosts .11 …
//
// Every namespace holds only its own ends of cables: nothing leaves the machine.
type lab struct {
	t       *testing.T
	prefix  string
	inet    *machine
	publics int
	homes   int
}

// machine is a host or router of a lab.
type machine struct {
	lab  *lab
	name string // of its namespace
	ip   string
}

// home is a local network behind a router.
type home struct {
	router *machine
	net    string // the first three numbers
	hosts  int
}

// nat is what a home's router does with what its hosts send.
type nat string

const (
	// cone gives a port one port outside whatever the destination, and lets in
	// who was sent to: the common home router (RFC 4787: endpoint-independent
	// mapping, address and port-dependent filtering).
	cone nat = "masquerade"
	// symmetric gives it a port for each destination.
	symmetric nat = "masquerade random,fully-random"
	// noUDP is cone, and drops UDP.
	noUDP nat = "masquerade comment \"no udp\""
)

var labs atomic.Int32

// newLab makes an internet without hosts. It skips the test without -netns.
func newLab(t *testing.T) *lab {
	t.Helper()
	if !*run {
		t.Skip("skipped: namespaces are made only with -netns, as root")
	}
	if os.Getuid() != 0 {
		t.Fatal("-netns needs root")
	}
	l := &lab{t: t, prefix: fmt.Sprintf("kith%d-%d-", os.Getpid(), labs.Add(1))}
	l.inet = l.machine("inet")
	l.inet.bridge("wire")
	return l
}

// machine makes a namespace with a loopback, removed with the test.
func (l *lab) machine(name string) *machine {
	l.t.Helper()
	m := &machine{lab: l, name: l.prefix + name}
	l.must("ip", "netns", "add", m.name)
	l.t.Cleanup(func() { exec.Command("ip", "netns", "del", m.name).Run() })
	m.ipr("link", "set", "lo", "up")
	m.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
	return m
}

func (l *lab) must(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ipr runs ip in a machine.
func (m *machine) ipr(args ...string) {
	m.lab.t.Helper()
	m.lab.must("ip", append([]string{"-n", m.name}, args...)...)
}

func (m *machine) sysctl(settings ...string) {
	m.lab.t.Helper()
	m.lab.must("ip", append([]string{"netns", "exec", m.name, "sysctl", "-qw"}, settings...)...)
}

// command is a program to be run in a machine.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", m.name, name}, args...)...)
}

// bridge makes a switch. Without a querier, snooping would lose multicast.
func (m *machine) bridge(name string) {
	m.lab.t.Helper()
	m.ipr("link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0")
	m.ipr("link", "set", name, "type", "bridge", "mcast_snooping", "0")
	m.ipr("link", "set", name, "up")
}

var cables atomic.Int32

// plug puts a cable between a machine, where its end is dev, and a switch.
func (m *machine) plug(dev string, to *machine, bridge string) {
	m.lab.t.Helper()
	end := fmt.Sprintf("c%d", cables.Add(1))
	m.lab.must("ip", "link", "add", "name", dev, "netns", m.name, "type", "veth", "peer", "name", end, "netns", to.name)
	to.ipr("link", "set", end, "master", bridge)
	to.ipr("link", "set", end, "up")
	m.ipr("link", "set", dev, "up")
}

// public makes a host with a public address.
func (l *lab) public() *machine {
	l.t.Helper()
	m := l.machine(fmt.Sprintf("pub%d", l.publics))
	m.ip = fmt.Sprintf("192.0.0.%d", 130+l.publics)
	l.publics++
	m.plug("eth0", l.inet, "wire")
	m.ipr("addr", "add", m.ip+"/25", "dev", "eth0")
	m.ipr("route", "add", "default", "via", "192.0.0.254") // nobody; but it has an outward address
	return m
}

// home makes a local network behind a router of a kind.
func (l *lab) home(kind nat) *home {
	l.t.Helper()
	n := l.homes
	l.homes++
	h := &home{router: l.machine(fmt.Sprintf("router%d", n)), net: fmt.Sprintf("192.168.%d", n+1)}
	r := h.router
	r.ip = fmt.Sprintf("192.0.0.%d", 200+n)
	r.plug("wan", l.inet, "wire")
	r.ipr("addr", "add", r.ip+"/25", "dev", "wan")
	r.ipr("route", "add", "default", "via", "192.0.0.254")
	r.bridge("lan")
	r.ipr("addr", "add", h.net+".1/24", "dev", "lan")
	r.sysctl("net.ipv4.ip_forward=1")
	// Where the kernel has bridges call the packet filter, what hosts of one
	// network say to each other would be dropped too; elsewhere there is nothing
	// to set.
	_ = r.command("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0").Run()
	h.nat(kind)
	return h
}

// nat makes a router one of a kind, at any time.
func (h *home) nat(kind nat) {
	h.router.lab.t.Helper()
	forward := ""
	if kind == noUDP {
		forward = `iifname "lan" meta l4proto udp drop`
	}
	c := h.router.command("nft", "-f", "-")
	c.Stdin = strings.NewReader(`flush ruleset
table ip nat {
	chain post { type nat hook postrouting priority srcnat; oifname "wan" ` + string(kind) + ` ; }
}
table inet filter {
	chain forward { type filter hook forward priority filter; policy drop;
		ct state invalid drop
		` + forward + `
		ct state established,related accept
		iifname "lan" oifname "wan" accept
	}
	chain input { type filter hook input priority filter; policy accept;
		iifname "wan" meta l4proto { tcp, udp } ct state new drop
	}
}
`)
	if out, err := c.CombinedOutput(); err != nil {
		h.router.lab.t.Fatalf("nft: %v\n%s", err, out)
	}
}

// host makes a host in a home.
func (h *home) host() *machine {
	h.router.lab.t.Helper()
	m := h.router.lab.machine(fmt.Sprintf("host%s-%d", h.net[8:], h.hosts))
	m.ip = fmt.Sprintf("%s.%d", h.net, 11+h.hosts)
	h.hosts++
	m.plug("eth0", h.router, "lan")
	m.ipr("addr", "add", m.ip+"/24", "dev", "eth0")
	m.ipr("route", "add", "default", "via", h.net+".1")
	return m
}

// move takes a host to another home.
func (m *machine) move(to *home) {
	m.lab.t.Helper()
	m.ipr("link", "del", "eth0")
	m.plug("eth0", to.router, "lan")
	m.ip = fmt.Sprintf("%s.%d", to.net, 11+to.hosts)
	to.hosts++
	m.ipr("addr", "add", m.ip+"/24", "dev", "eth0")
	m.ipr("route", "add", "default", "via", to.net+".1")
}

// programs is the directory of what is built for all tests.
var programs = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "kith-netns-") })

// built makes a program, once: kith, a relay that lies, and a kith whose clock can
// be turned.
var (
	binary = sync.OnceValues(func() (string, error) { return build("kith", "go", "build", "-o", "OUT", "kith/cmd/kith") })
	liar   = sync.OnceValues(func() (string, error) { return build("liar", "go", "build", "-o", "OUT", "kith/e2e/liar") })
	turned = sync.OnceValues(func() (string, error) {
		return build("turned", "bash", filepath.Join(*bed, "clock", "build-skewed.sh"), "kith/cmd/kith", "OUT")
	})
)

func build(name string, command ...string) (path string, err error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	for i, word := range command {
		if word == "OUT" {
			command[i] = path
		}
	}
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return path, nil
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *run {
		if dir, err := programs(); err == nil {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}
