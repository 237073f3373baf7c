// Package tsmls drives ts-mls, an implementation of MLS in TypeScript, as a child
// process, so that tests of package mls have somebody else to talk to. Nothing but
// tests uses it.
//
// [Install] puts ts-mls and what it needs into a cache folder of the user, at the
// versions of package-lock.json; [Start] runs it. Both need node, the first npm and,
// once, the npm registry.
package tsmls

import (
	"bufio"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed driver.mjs package.json package-lock.json
var files embed.FS

// installTime bounds what a machine without a network costs.
const installTime = time.Minute

// ErrAbsent means that node or ts-mls is not to be had on this machine.
var ErrAbsent = errors.New("tsmls: node with ts-mls is not installed")

// Install returns a folder with the driver and all it imports, after making it if
// it is not there. The error wraps ErrAbsent if it cannot be made.
func Install() (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", fmt.Errorf("%w: no node", ErrAbsent)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	digest := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		digest.Write(b)
	}
	dir := filepath.Join(cache, "kith", "tsmls-"+hex.EncodeToString(digest.Sum(nil)[:8]))
	if err := write(dir); err != nil {
		return "", fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "installed")); err == nil {
		return dir, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), installTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: npm ci: %w: %.200s", ErrAbsent, err, out)
	}
	return dir, os.WriteFile(filepath.Join(dir, "installed"), nil, 0o600)
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"driver.mjs", "package.json", "package-lock.json"} {
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Process is a running ts-mls. It is not safe for concurrent use.
type Process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start runs the driver of a folder that Install returned.
func Start(dir string) (*Process, error) {
	p := &Process{cmd: exec.Command("node", "driver.mjs")}
	p.cmd.Dir = dir
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	return p, p.cmd.Start()
}

// Answer is what an operation returns; which fields it sets, driver.mjs says. Byte
// strings are hexadecimal.
type Answer struct {
	OK                                                    bool
	Error                                                 string
	KeyPackage, Commit, Welcome, Message, Plaintext, Kind string
	GroupInfo, Authenticator, Exported, Active            string
	Epoch                                                 int
	MS                                                    float64
}

// Call runs an operation. The error is the driver's or ts-mls's.
func (p *Process) Call(op string, args map[string]any) (*Answer, error) {
	request := map[string]any{"op": op}
	maps.Copy(request, args)
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	if line, err = p.out.ReadBytes('\n'); err != nil {
		return nil, err
	}
	a := new(Answer)
	if err := json.Unmarshal(line, a); err != nil {
		return nil, err
	}
	if !a.OK {
		return nil, fmt.Errorf("ts-mls: %s: %s", op, a.Error)
	}
	return a, nil
}

// Close ends the process.
func (p *Process) Close() error {
	if err := p.in.Close(); err != nil {
		return err
	}
	return p.cmd.Wait()
}
