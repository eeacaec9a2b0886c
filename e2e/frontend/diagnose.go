package frontend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/process"
)

// Waiting names the containers of a namespace that are not ready yet, in one line, with the
// last that those which failed have said; empty when all are ready.
func Waiting(ctx context.Context, kubeconfig, namespace string) (string, error) {
	client, err := connect(kubeconfig)
	if err != nil {
		return "", err
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list the Pods of %s: %w", namespace, err)
	}
	var waiting []string
	for _, pod := range pods.Items {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if reason := notReady(status); reason != "" {
				waiting = append(waiting, fmt.Sprintf("%s/%s (%s)", pod.Name, status.Name, withLastWords(reason, status)))
			}
		}
	}
	return strings.Join(waiting, ", "), nil
}

func notReady(status corev1.ContainerStatus) string {
	switch state := status.State; {
	case status.Ready, state.Waiting != nil && state.Waiting.Reason == "PodInitializing":
		return "" // an init container says more
	case state.Waiting != nil && state.Waiting.Reason != "":
		return state.Waiting.Reason
	case state.Terminated != nil && state.Terminated.ExitCode != 0:
		return fmt.Sprintf("exit code %d", state.Terminated.ExitCode)
	case state.Terminated != nil:
		return ""
	default:
		return "starting"
	}
}

// withLastWords adds to a reason what a container said when it failed: the chart lets
// Kubernetes keep the end of its log.
func withLastWords(reason string, status corev1.ContainerStatus) string {
	for _, state := range []corev1.ContainerState{status.State, status.LastTerminationState} {
		if state.Terminated != nil && state.Terminated.Message != "" {
			return reason + ": " + process.LastLine([]byte(state.Terminated.Message))
		}
	}
	return reason
}

// Logs writes the logs of all containers of a namespace into a folder, the log of
// a restarted container's predecessor too, and a list of events.
func Logs(ctx context.Context, kubeconfig, namespace, folder string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("create a folder for logs: %w", err)
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the Pods of %s: %w", namespace, err)
	}
	for _, pod := range pods.Items {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			file := filepath.Join(folder, pod.Name+"-"+status.Name)
			if status.RestartCount > 0 {
				_ = writeLog(ctx, client, pod, &corev1.PodLogOptions{Container: status.Name, Previous: true}, file+"-previous.log")
			}
			// A container that never started has none.
			_ = writeLog(ctx, client, pod, &corev1.PodLogOptions{Container: status.Name}, file+".log")
		}
	}
	return writeEvents(ctx, client, namespace, filepath.Join(folder, "events.txt"))
}

func writeLog(ctx context.Context, client kubernetes.Interface, pod corev1.Pod, options *corev1.PodLogOptions, file string) error {
	log, err := readLog(ctx, client, pod, options)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(log), 0o644)
}

func readLog(ctx context.Context, client kubernetes.Interface, pod corev1.Pod, options *corev1.PodLogOptions) (string, error) {
	log, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("read the log of %s in %s: %w", options.Container, pod.Name, err)
	}
	return string(log), nil
}

func writeEvents(ctx context.Context, client kubernetes.Interface, namespace, file string) error {
	events, err := client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the events of %s: %w", namespace, err)
	}
	var b strings.Builder
	for _, e := range events.Items {
		fmt.Fprintf(&b, "%s %s %s/%s: %s: %s\n", e.LastTimestamp.Format("15:04:05"), e.Type, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
