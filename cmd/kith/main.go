// Command kith is a messenger with nobody in the middle: one binary that runs
// a node and is the command line to it. Start with kith --help.
package main

import (
	"os"

	"kith/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], local{}))
}
