package frontend

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CreateNamespace makes a namespace; one that is there already belongs to somebody
// else, and is an error.
func CreateNamespace(ctx context.Context, kubeconfig, name string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err = client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the cluster has a namespace %s already, and what is in it may be in use: remove it, or choose another cluster", name)
	}
	if err != nil {
		return fmt.Errorf("create the namespace %s: %w", name, err)
	}
	return nil
}

// DeleteNamespace removes a namespace with all that is in it, volumes too, and
// waits until it is gone. Its pods are given no time. It is no error if there is none.
func DeleteNamespace(ctx context.Context, kubeconfig, name string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	err = client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete the namespace %s: %w", name, err)
	}
	now := int64(0)
	if err := client.CoreV1().Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("end the Pods of %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	return Eventually(ctx, func() error {
		_, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the namespace %s is still being deleted", name)
	})
}
