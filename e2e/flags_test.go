package e2e

import "flag"

// Without flags the package takes about half a minute on two cores. Everything,
// as root, in ten minutes:
//
//	go test ./e2e -timeout 30m -crash-points 200 -power-cuts 60 -damages 400 -file-mib 96 -skew
//
// With strace, FUSE and the programs of -testbed absent, what needs them is
// skipped, and says so with -v.
var (
	crashPoints = flag.Int("crash-points", 16, "how many points in an exchange of text to kill a node at")
	powerCuts   = flag.Int("power-cuts", 8, "how often to cut the power of nodes on a disk that loses what was not synchronised")
	damages     = flag.Int("damages", 18, "how many places of a database to damage")
	fileMiB     = flag.Int64("file-mib", 32, "size of the file during whose transfer nodes are killed or their disks fill up")
	skew        = flag.Bool("skew", false, "build kith with a clock that is off by a year, which takes minutes, and test it")
	seed        = flag.Uint64("seed", 0, "of the instants and places; 0: another one each time, printed")
	prebuilt    = flag.String("kith", "", "a kith to test, instead of one built from this module")
	bed         = flag.String("testbed", "../../shared/testbed", "where the programs lie that lose power and turn clocks; without them their tests are skipped")
)

func bigFile() int64 { return *fileMiB << 20 }
