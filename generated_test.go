package kith_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// plugins are the generators, at the versions go.mod pins as tools.
var plugins = []string{"google.golang.org/protobuf/cmd/protoc-gen-go", "connectrpc.com/connect/cmd/protoc-gen-connect-go"}

// TestLayout_generatedCodeIsFresh runs every protoc directive of the module
// into a directory of its own and compares with what is committed.
func TestLayout_generatedCodeIsFresh(t *testing.T) {
	protoc, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("SKIPPED: no protoc here (Debian: protobuf-compiler), so nobody knows whether generated code is fresh")
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", bin + string(filepath.Separator)}, plugins...)...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: the generators cannot be built here: %v\n%s", err, out)
	}
	directives := 0
	walkFiles(t, "generate.go", func(name string) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if args, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:generate protoc "); ok {
				directives++
				compareGenerated(t, protoc, bin, filepath.Dir(name), strings.Fields(args))
			}
		}
	})
	if directives == 0 {
		t.Error("no directive found: the test looks for the wrong thing")
	}
}

// compareGenerated runs one directive with its output sent elsewhere.
func compareGenerated(t *testing.T, protoc, bin, dir string, args []string) {
	t.Helper()
	out := t.TempDir()
	for i, a := range args {
		for _, flag := range []string{"--go_out=", "--connect-go_out="} {
			if strings.HasPrefix(a, flag) {
				args[i] = flag + out
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), protoc, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: protoc: %v\n%s", dir, err, text)
		return
	}
	err := filepath.WalkDir(out, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(out, name)
		if err != nil {
			return err
		}
		fresh, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if committed, err := os.ReadFile(rel); err != nil {
			t.Errorf("%s is not committed: %v", rel, err)
		} else if !bytes.Equal(withoutCompiler(committed), withoutCompiler(fresh)) {
			t.Errorf("%s is not what its .proto generates: run make generate", rel)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

var compilerLine = regexp.MustCompile(`(?m)^// \tprotoc +\S+$`)

// withoutCompiler drops the compiler's version, which says nothing of the code.
func withoutCompiler(b []byte) []byte { return compilerLine.ReplaceAll(b, nil) }
