package frontend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// WaitCluster waits until the cluster takes what the chart makes: it has a node that is
// ready, and a StorageClass for those who name none.
func WaitCluster(ctx context.Context, kubeconfig string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	if err := Eventually(ctx, func() error { return clusterReady(ctx, client) }); err != nil {
		return fmt.Errorf("wait for the cluster: %w", err)
	}
	return nil
}

func clusterReady(ctx context.Context, client kubernetes.Interface) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	if !anyReady(nodes.Items) {
		return fmt.Errorf("none of its %d nodes is ready", len(nodes.Items))
	}
	classes, err := client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list StorageClasses: %w", err)
	}
	for _, class := range classes.Items {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return nil
		}
	}
	return errors.New("it has no default StorageClass")
}

func anyReady(nodes []corev1.Node) bool {
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return true
			}
		}
	}
	return false
}

// logNames finds files in the kubelet's list of /var/log, a page.
var logNames = regexp.MustCompile(`href="([\w.-]+\.log)"`)

// NodeLogs writes what each node has in /var/log/*.log, as its kubelet shows it, into a
// folder of the node's name. Logs that a service manager keeps are not among them.
func NodeLogs(ctx context.Context, kubeconfig, folder string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes.Items {
		if err := nodeLogs(ctx, client, node.Name, filepath.Join(folder, node.Name)); err != nil {
			return fmt.Errorf("keep the logs of the node %s: %w", node.Name, err)
		}
	}
	return nil
}

func nodeLogs(ctx context.Context, client kubernetes.Interface, node, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	read := func(file string) ([]byte, error) {
		return client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes/" + node + "/proxy/logs/" + file).DoRaw(ctx)
	}
	page, err := read("")
	if err != nil {
		return err
	}
	for _, found := range logNames.FindAllSubmatch(page, -1) {
		name := string(found[1])
		log, err := read(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), log, 0o644); err != nil {
			return err
		}
	}
	return nil
}
