package frontend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// Judge asks a cluster's API server whether it would create objects.
type Judge struct {
	client    dynamic.Interface
	discovery discovery.DiscoveryInterface
	mapper    meta.RESTMapper
}

// NewJudge of a cluster, which must know all kinds by now.
func NewJudge(kubeconfig string) (*Judge, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = 50, 100 // there are many objects
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig %s: %w", kubeconfig, err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig %s: %w", kubeconfig, err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds))
	return &Judge{client: client, discovery: kinds, mapper: mapper}, nil
}

// Kubernetes is the cluster's release, such as 1.34.
func (j *Judge) Kubernetes() (string, error) {
	version, err := j.discovery.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask the cluster for its version: %w", err)
	}
	return version.Major + "." + strings.TrimSuffix(version.Minor, "+"), nil
}

// Accepts is nil where the server would create all objects of manifests in a
// namespace, with no field that it does not know. It creates none but service accounts,
// without which it refuses their pods. The error has a line for each that it would not.
func (j *Judge) Accepts(ctx context.Context, namespace, manifests string) error {
	objects, err := parse(strings.NewReader(manifests))
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return errors.New("there is no object in the manifests")
	}
	var refused []error
	for _, object := range objects {
		if err := j.accepts(ctx, namespace, object); err != nil {
			refused = append(refused, fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err))
		}
	}
	return errors.Join(refused...)
}

func (j *Judge) accepts(ctx context.Context, namespace string, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	mapping, err := j.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		_, err = j.client.Resource(mapping.Resource).Create(ctx, object, options)
		return err
	}
	if kind.Kind == "ServiceAccount" {
		options.DryRun = nil
	}
	_, err = j.client.Resource(mapping.Resource).Namespace(namespace).Create(ctx, object, options)
	if apierrors.IsAlreadyExists(err) { // it is found out last of all
		return nil
	}
	return err
}

// parse the objects of a file; documents of comments only are none.
func parse(manifests io.Reader) ([]*unstructured.Unstructured, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(manifests))
	var objects []*unstructured.Unstructured
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, fmt.Errorf("read a manifest: %w", err)
		}
		if object.Object != nil {
			objects = append(objects, object)
		}
	}
}

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// InstallKinds makes the kinds that files define, those that the cluster has not, and
// waits until it serves them. It returns the names of what it made.
func InstallKinds(ctx context.Context, kubeconfig string, files ...string) ([]string, error) {
	judge, err := NewJudge(kubeconfig)
	if err != nil {
		return nil, err
	}
	var made []string
	for _, file := range files {
		found, err := readKinds(file)
		if err != nil {
			return made, err
		}
		for _, kind := range found {
			name := kind.GetName()
			_, err := judge.client.Resource(definitions).Create(ctx, kind, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				continue
			}
			if err != nil {
				return made, fmt.Errorf("create the kind %s: %w", name, err)
			}
			made = append(made, name)
			if err := Eventually(ctx, func() error { return judge.serves(ctx, name) }); err != nil {
				return made, err
			}
		}
	}
	return made, nil
}

func readKinds(file string) ([]*unstructured.Unstructured, error) {
	content, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the definition of a kind: %w", err)
	}
	defer content.Close()
	kinds, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("read the definition of a kind in %s: %w", file, err)
	}
	for _, kind := range kinds {
		kind.SetLabels(nil) // cert-manager's are templates
	}
	return kinds, nil
}

func (j *Judge) serves(ctx context.Context, name string) error {
	kind, err := j.client.Resource(definitions).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the kind %s: %w", name, err)
	}
	conditions, _, err := unstructured.NestedSlice(kind.Object, "status", "conditions")
	if err != nil {
		return fmt.Errorf("read the kind %s: %w", name, err)
	}
	for _, condition := range conditions {
		c, _ := condition.(map[string]any)
		if c["type"] == "Established" && c["status"] == "True" {
			return nil
		}
	}
	return fmt.Errorf("the kind %s is not established", name)
}

// RemoveKinds takes kinds away, with all objects of them.
func RemoveKinds(ctx context.Context, kubeconfig string, names []string) error {
	judge, err := NewJudge(kubeconfig)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := judge.client.Resource(definitions).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("delete the kind %s: %w", name, err)
		}
	}
	return nil
}
