package report

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// run tests that exist for that, and read the report. They are a package of their own in
// testdata, which go test does not find by itself.
func run(t *testing.T, pattern string) *Report {
	cmd := exec.Command("go", "test", "-count=1", "-json", "-run", pattern, "-timeout=2s", "./testdata/suite")
	out, err := cmd.Output()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return Read(string(out))
}

func TestWhatPassed(t *testing.T) {
	r := run(t, "TestGood|TestSkipped")
	require.NoError(t, r.Err())
	assert.Regexp(t, `^2 tests passed, 0 failed, 1 were skipped\.

\| Test \| Result \| Seconds \|
\|---\|---\|---:\|
\| TestGood \| pass \| 0\.\d \|
\| TestGood/part \| pass \| 0\.\d \|
\| TestSkipped \| skip \| 0\.\d \|
$`, r.Markdown())
	assert.Contains(t, r.Output, "--- PASS: TestGood")
}

func TestOneSentenceSaysWhatFailed(t *testing.T) {
	for pattern, sentence := range map[string]string{
		"TestUnequal":         `^the suite failed: TestUnequal/part: Not equal: expected: 1 actual : 2 counted$`,
		"TestError":           `^the suite failed: TestError: install opennebula: not ready: database-0$`,
		"TestMessage":         `^the suite failed: TestMessage: install opennebula: too late not ready: database-0$`,
		"TestPlain":           `^the suite failed: TestPlain: suite_test.go:\d+: plainly wrong$`,
		"TestError|TestPlain": `^the suite failed: TestError: install .*database-0; and 1 more$`,
		"TestHangs":           `^the suite failed: TestHangs: `,
		"TestSkipped":         `^the suite ran no test: `,
		"TestNotThere":        `^the suite ran no test: `,
	} {
		t.Run(pattern, func(t *testing.T) {
			r := run(t, pattern)
			assert.Regexp(t, sentence, r.Err())
		})
	}
}

func TestEachTestIsToldOfWhenItEnds(t *testing.T) {
	lines := `{"Action":"run","Test":"TestFrontend"}
{"Action":"run","Test":"TestFrontend/TestLogin"}
{"Action":"output","Test":"TestFrontend/TestLogin","Output":"=== RUN   TestFrontend/TestLogin\n"}
{"Action":"pass","Test":"TestFrontend/TestLogin","Elapsed":0.1}
{"Action":"run","Test":"TestFrontend/TestUpgrade"}
{"Action":"run","Test":"TestFrontend/TestUpgrade/sqlite"}
{"Action":"pass","Test":"TestFrontend/TestUpgrade/sqlite","Elapsed":2}
{"Action":"pass","Test":"TestFrontend/TestUpgrade","Elapsed":2}
{"Action":"run","Test":"TestFrontend/TestVMBoots"}
{"Action":"output","Test":"TestFrontend/TestVMBoots","Output":"    hypervisors_test.go:17: the stand-ins run no virtual machine\n"}
{"Action":"skip","Test":"TestFrontend/TestVMBoots","Elapsed":0}
{"Action":"pass","Test":"TestFrontend","Elapsed":2.1}
`
	var told []string
	r, err := Follow(strings.NewReader(lines), func(test *Test) { told = append(told, test.String()) })
	require.NoError(t, err)
	assert.Equal(t, []string{
		"pass: TestFrontend/TestLogin (0.1 s)", "pass: TestFrontend/TestUpgrade/sqlite (2.0 s)", "pass: TestFrontend/TestUpgrade (2.0 s)",
		"skip: TestFrontend/TestVMBoots (0.0 s)", "pass: TestFrontend (2.1 s)",
	}, told)
	assert.Equal(t, "2 tests passed, 1 skipped (the stand-ins run no virtual machine)", r.Summary())
}

func TestWhatDoesNotCompile(t *testing.T) {
	out, err := exec.Command("go", "test", "-json", "./testdata/broken").Output()
	require.Error(t, err)
	assert.ErrorContains(t, Read(string(out)).Err(), "the suite ran no test")
}

func TestNothingSaid(t *testing.T) {
	assert.EqualError(t, Read("").Err(), "the suite ran no test: it said nothing")
}
