// Command mlsvectors verifies files of the MLS working group's test vectors.
//
//	go run ./mls/mlsvectors FILE...
//
// A file is a JSON array of cases of one kind; the kind is told by the names of
// their fields, so files may have any name. Each file has a line in the output,
// each case that fails another, and the last line is "N passed, N failed". The
// exit status is 1 if a case failed or a file is no vector file, 2 without files.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(files []string, out, errs io.Writer) int {
	if len(files) == 0 {
		fmt.Fprintln(errs, "usage: mlsvectors FILE...")
		return 2
	}
	passed, failed := 0, 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(errs, "mlsvectors:", err)
			failed++
			continue
		}
		report, err := verify(data)
		if err != nil {
			fmt.Fprintf(errs, "mlsvectors: %s: %v\n", name, err)
			failed++
			continue
		}
		fmt.Fprintf(out, "%s: %s: %d passed, %d failed\n", filepath.Base(name), report.kind, report.passed, len(report.failures))
		for _, f := range report.failures {
			fmt.Fprintf(out, "  %v\n", f)
		}
		passed, failed = passed+report.passed, failed+len(report.failures)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return 1
	}
	return 0
}
