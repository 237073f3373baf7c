package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// procField reads a number of a file like /proc/1/status; the error is of
// systems that have none.
func procField(pid int, file, field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if name != field {
			continue
		}
		number, unit, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if unit == "kB" {
			n <<= 10
		}
		return n, err
	}
	return 0, fmt.Errorf("/proc/%d/%s has no %s", pid, file, field)
}

// resident is a process's memory now.
func resident(pid int) (int64, error) { return procField(pid, "status", "VmRSS") }

// peak is the most memory a process had since forgetPeak: the kernel's own
// mark, which no sampling can miss.
func peak(pid int) (int64, error) { return procField(pid, "status", "VmHWM") }

func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// written is how many bytes a process gave to write calls, sockets included.
func written(pid int) (int64, error) { return procField(pid, "io", "wchar") }

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
