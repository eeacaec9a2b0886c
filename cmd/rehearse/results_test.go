package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/pablodelarco/opennebula-helm/e2e/report"
)

func TestResultsAreShownOfTestsAndWhyTheyFailed(t *testing.T) {
	var shown []string
	for _, test := range []*report.Test{
		{Name: "TestFrontend/TestLogin", Result: report.Passed, Output: "    seen: nothing\n"},
		{Name: "TestChart/TestUpgrade/sqlite", Result: report.Failed, Output: "    not ready\n"},
		{Name: "TestChart/TestUpgrade", Result: report.Failed, Output: "--- FAIL\n"},
		{Name: "TestChart", Result: report.Passed},
	} {
		showTest(test, func(f string, args ...any) { shown = append(shown, fmt.Sprintf(f, args...)) })
	}
	assert.Equal(t, []string{
		"pass: TestFrontend/TestLogin (0.0 s)", "    not ready", "fail: TestChart/TestUpgrade (0.0 s)", "--- FAIL",
	}, shown)
}
