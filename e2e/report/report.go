// Package report reads what a run of the end-to-end suite said, and tells it to people.
package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report of a run.
type Report struct {
	Tests  []*Test // in the order in which they began
	Output string  // as go test -v prints it
}

// Test is one of the suite's.
type Test struct {
	Name   string // with those that it is part of: TestFrontend/TestLogin
	Result Result
	Took   time.Duration
	Output string // its own, without that of its parts
}

// Result of a test.
type Result string

// What becomes of tests.
const (
	Passed  Result = "pass"
	Failed  Result = "fail"
	Skipped Result = "skip"
	Broken  Result = "broken off" // it began, and has no end
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// Read what go test -json, or go tool test2json, wrote. Lines that are no events, such as
// a compiler's, are output.
func Read(lines string) *Report {
	r, _ := Follow(strings.NewReader(lines), func(*Test) {}) // a text that is there can be read
	return r
}

// Follow reads the same while it is written, and is told of each test when it has ended.
func Follow(lines io.Reader, ended func(*Test)) (*Report, error) {
	r := &Report{}
	known := map[string]*Test{}
	for reader := bufio.NewReader(lines); ; {
		line, err := reader.ReadString('\n')
		if line != "" {
			r.take(line, known, ended)
		}
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("read what the suite says: %w", err)
		}
	}
}

func (r *Report) take(line string, known map[string]*Test, ended func(*Test)) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil {
		e = event{Action: "output", Output: line}
	}
	if e.Action == "output" || e.Action == "build-output" {
		r.Output += e.Output
	}
	if e.Test == "" {
		return
	}
	test, ok := known[e.Test]
	if !ok {
		test = &Test{Name: e.Test, Result: Broken}
		known[e.Test] = test
		r.Tests = append(r.Tests, test)
	}
	test.take(e)
	if test.Result != Broken && e.Action != "output" {
		ended(test)
	}
}

func (t *Test) take(e event) {
	switch result := Result(e.Action); result {
	case "output":
		t.Output += e.Output
	case Passed, Failed, Skipped:
		t.Result, t.Took = result, time.Duration(e.Elapsed*float64(time.Second))
	}
}

// Err is nil if the suite passed, and else says in one sentence what failed, first of all
// why the first of it did. What passed includes at least one test that was not skipped:
// a suite that ran nothing has shown nothing.
func (r *Report) Err() error {
	failed := r.failed()
	if len(failed) == 0 && r.count(Passed) > 0 {
		return nil
	}
	if len(failed) == 0 {
		return fmt.Errorf("the suite ran no test: %s", cmp.Or(lastLine(r.Output), "it said nothing"))
	}
	first := failed[0]
	text := fmt.Sprintf("the suite failed: %s: %s", first.Name, cmp.Or(first.reason(), string(first.Result)))
	if more := len(failed) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return errors.New(text)
}

// failed are the tests that did, without those that did so because of a part of theirs.
func (r *Report) failed() []*Test {
	var failed []*Test
	for i, test := range r.Tests {
		if test.isBad() && !anyBad(r.Tests[i+1:], test.Name+"/") {
			failed = append(failed, test)
		}
	}
	return failed
}

func (t *Test) isBad() bool { return t.Result == Failed || t.Result == Broken }

func anyBad(tests []*Test, prefix string) bool {
	for _, test := range tests {
		if test.isBad() && strings.HasPrefix(test.Name, prefix) {
			return true
		}
	}
	return false
}

func (r *Report) count(result Result) int {
	n := 0
	for _, test := range r.Tests {
		if test.Result == result {
			n++
		}
	}
	return n
}

// Summary counts the suites' tests in one line, and has the reasons of what they skipped.
func (r *Report) Summary() string {
	passed, skipped := 0, map[string]int{}
	for _, test := range r.Tests {
		switch {
		case !test.IsOfSuite():
		case test.Result == Passed:
			passed++
		case test.Result == Skipped:
			skipped[test.skipReason()]++
		}
	}
	line := fmt.Sprintf("%d tests passed", passed)
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		line += fmt.Sprintf(", %d skipped (%s)", skipped[reason], reason)
	}
	return line
}

// IsOfSuite tells whether it is a test of a suite, TestSuite/TestThing: neither a suite
// itself, nor a part of such a test.
func (t *Test) IsOfSuite() bool { return strings.Count(t.Name, "/") == 1 }

// String is one line: what became of it, its name and its seconds.
func (t *Test) String() string {
	return fmt.Sprintf("%s: %s (%.1f s)", t.Result, t.Name, t.Took.Seconds())
}

// skipReason is what it said last, without where.
func (t *Test) skipReason() string {
	line := lastLine(withoutFrames(t.Output))
	if file, said, found := strings.Cut(line, ": "); found && strings.Contains(file, "_test.go:") {
		return said
	}
	return line
}

// Markdown is a table of all tests with their seconds, and below it why what failed did.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d tests passed, %d failed, %d were skipped.\n\n", r.count(Passed), r.count(Failed)+r.count(Broken), r.count(Skipped))
	b.WriteString("| Test | Result | Seconds |\n|---|---|---:|\n")
	for _, test := range r.Tests {
		fmt.Fprintf(&b, "| %s | %s | %.1f |\n", test.Name, test.Result, test.Took.Seconds())
	}
	for _, test := range r.failed() {
		fmt.Fprintf(&b, "\n**%s**: %s\n", test.Name, cmp.Or(test.reason(), string(test.Result)))
	}
	return b.String()
}

// reason why a test failed, on one line: of what testify says, under the words Error and
// Messages; else its last line that is none of go's own.
func (t *Test) reason() string {
	var reason []string
	found, within := false, false
	for line := range strings.Lines(withoutFrames(t.Output)) {
		label, text, isLabel := strings.Cut(strings.TrimSpace(line), ":")
		switch label = strings.TrimSpace(label); {
		case isLabel && label == "Error" && found:
			return oneLine(reason) // the second one follows from the first, as a rule
		case isLabel && (label == "Error" || label == "Messages"):
			found, within = true, true
			reason = appendText(reason, text)
		case isLabel && (label == "Test" || label == "Error Trace" || strings.HasSuffix(label, ".go")):
			within = false
		case within:
			reason = appendText(reason, line)
		}
	}
	if found {
		return oneLine(reason)
	}
	return lastLine(withoutFrames(t.Output))
}

func appendText(texts []string, text string) []string {
	text = strings.TrimSpace(text)
	if text == "" || text == "Received unexpected error:" {
		return texts
	}
	return append(texts, text)
}

func oneLine(texts []string) string {
	return strings.Join(strings.Fields(strings.Join(texts, " ")), " ")
}

// withoutFrames leaves out what go says around a test's own output.
func withoutFrames(output string) string {
	var kept strings.Builder
	for line := range strings.Lines(output) {
		text := strings.TrimSpace(line)
		if !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
