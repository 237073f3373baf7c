package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiv1 "kith/api/v1"
)

// node answers on the socket of a new home as a node would.
func node(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return New(home)
}

func media(content string) *apiv1.Media {
	sum := sha256.Sum256([]byte(content))
	return &apiv1.Media{Name: "a.txt", Size: int64(len(content)), Sha256: hex.EncodeToString(sum[:])}
}

func TestSave_onlyWhatItsSenderSaid(t *testing.T) {
	c := node(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "content") })
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	counted := int64(0)
	if err := c.Save(context.Background(), "id", 0, media("content"), path, false, func(n int64) { counted += n }); err != nil || counted != 7 {
		t.Fatal(err, counted)
	}
	if b, _ := os.ReadFile(path); string(b) != "content" {
		t.Errorf("it holds %q", b)
	}
	var e *Error
	if err := c.Save(context.Background(), "id", 0, media("content"), path, false, nil); !errors.As(err, &e) || e.Exit != ExitNotNow {
		t.Errorf("it is written over: %v", err)
	}
	if err := c.Save(context.Background(), "id", 0, media("another"), filepath.Join(dir, "b.txt"), false, nil); err == nil {
		t.Error("a file is saved that is another than its sender said")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("it leaves %v", left)
	}
}

func TestUpload_andErrorsForPeople(t *testing.T) {
	c := node(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Query().Get("name") == "full" {
			w.WriteHeader(http.StatusInsufficientStorage)
			io.WriteString(w, `{"error": "the disk is full", "hint": "make room"}`)
			return
		}
		if string(b) != "content" || r.URL.Query().Get("as_file") != "1" {
			t.Errorf("%q, %v", b, r.URL)
		}
		io.WriteString(w, `{"token": "t", "size": 7, "stripped": true}`)
	})
	u, err := c.Upload(context.Background(), strings.NewReader("content"), 7, "a.txt", true)
	if err != nil || u.Token != "t" || !u.Stripped {
		t.Errorf("%+v, %v", u, err)
	}
	_, err = c.Upload(context.Background(), bytes.NewReader(nil), 0, "full", true)
	var e *Error
	if !errors.As(c.Explain(err), &e) || e.Text != "the disk is full" || e.Hint != "make room" || e.Exit != ExitNotNow {
		t.Errorf("%+v", err)
	}
}

func TestExplain_nobodyThere(t *testing.T) {
	c := New(t.TempDir())
	_, err := c.Download(context.Background(), "id", 0)
	var e *Error
	if !errors.As(c.Explain(err), &e) || e.Exit != ExitNotRunning || !strings.Contains(e.Text, "no account") {
		t.Errorf("%v", c.Explain(err))
	}
	if c.Explain(nil) != nil || !errors.Is(c.Explain(context.Canceled), context.Canceled) {
		t.Error("what is no error became one, or what was given up did")
	}
}

func TestSafeName(t *testing.T) {
	for name, want := range map[string]string{
		"photo.jpg":                        "photo.jpg",
		"Ferien 世界 ✓.pdf":                  "Ferien 世界 ✓.pdf",
		"../../etc/passwd":                 "passwd",
		`C:\Windows\boot.ini`:              "boot.ini",
		"/":                                "file",
		"":                                 "file",
		"..":                               "file",
		" .profile":                        "profile",
		".bashrc":                          "bashrc",
		"a\x1b[31m\nb.txt":                 "a[31mb.txt",
		"gpj.\u202eexe.txt":                "gpj.exe.txt",
		"a:b<c>|d?.txt":                    "a_b_c__d_.txt",
		"con":                              "file-con",
		"NUL.txt":                          "file-NUL.txt",
		"com1.log":                         "file-com1.log",
		"common.log":                       "common.log",
		"trailing. . ":                     "trailing",
		"\xff\xfe":                         "_",
		"file\u200b.txt":                   "file.txt",
		strings.Repeat("世", 200):           strings.Repeat("世", 66),
		strings.Repeat("x", 300) + ".jpeg": strings.Repeat("x", 195) + ".jpeg",
	} {
		if got := SafeName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	f.Add("../a/b.txt")
	f.Add(`\\.\NUL`)
	f.Fuzz(func(t *testing.T, name string) {
		got := SafeName(name)
		if got == "" || len(got) > maxFileName+8 || strings.ContainsAny(got, "/\\\x00\n:") || strings.HasPrefix(got, ".") || filepath.Base(got) != got {
			t.Errorf("%q becomes %q", name, got)
		}
	})
}

func TestUnusedName(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"a.txt", "a (2).txt", "a (3).txt"} {
		path := UnusedName(dir, "../a.txt")
		if path != filepath.Join(dir, want) {
			t.Errorf("%s, want %s", path, want)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
