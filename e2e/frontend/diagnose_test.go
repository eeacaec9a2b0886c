package frontend

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

func TestLastWords(t *testing.T) {
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: "starting\nbootstrap: PORT is wrong\n"}}
	waits := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	for name, test := range map[string]struct {
		status corev1.ContainerStatus
		want   string
	}{
		"has just failed": {corev1.ContainerStatus{State: ended}, "reason: bootstrap: PORT is wrong"},
		"is tried again":  {corev1.ContainerStatus{State: waits, LastTerminationState: ended}, "reason: bootstrap: PORT is wrong"},
		"has not begun":   {corev1.ContainerStatus{State: waits}, "reason"},
	} {
		assert.Equal(t, test.want, withLastWords("reason", test.status), name)
	}
}
