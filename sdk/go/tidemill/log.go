// The operator's log: `tidemill plugin logs`. Where it goes is in log_wasip1.go and log_native.go.

package tidemill

// Error logs that someone must act.
func Error(text string) { writeLog(0, text) }

// Warn logs that something is wrong and was dealt with.
func Warn(text string) { writeLog(1, text) }

// Info logs that something changed.
func Info(text string) { writeLog(2, text) }

// Debug logs what helps to find a mistake.
func Debug(text string) { writeLog(3, text) }
