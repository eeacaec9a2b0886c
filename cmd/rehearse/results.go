package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pablodelarco/opennebula-helm/e2e/report"
)

// followSuite shows the result of each test, and all that a failed one said, and keeps the
// whole output in a log.
func (r *rehearsal) followSuite(events io.Reader) (*report.Report, error) {
	read, err := report.Follow(events, func(test *report.Test) { showTest(test, say) })
	if err != nil {
		return nil, err
	}
	return read, os.WriteFile(filepath.Join(r.state, "suite.log"), []byte(read.Output), 0o644)
}

func showTest(test *report.Test, show func(format string, args ...any)) {
	if test.IsOfSuite() {
		show("%s", test)
	}
	if test.Result != report.Failed {
		return
	}
	for line := range strings.Lines(test.Output) {
		show("%s", strings.TrimSuffix(line, "\n"))
	}
}
