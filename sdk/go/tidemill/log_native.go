//go:build !wasip1

// The operator's log in a native test: standard error.

package tidemill

import "os"

func writeLog(level uint32, text string) {
	name := [...]string{"error", "warning", "information", "debug"}[level]
	_, _ = os.Stderr.WriteString(name + ": " + text + "\n")
}
