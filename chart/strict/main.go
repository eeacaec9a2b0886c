// Command strict reads manifests and decodes each as the API server of one
// Kubernetes release would with strict validation: a field that its kind does not
// have is an error, and so are a field given twice and a kind that nobody has. The
// release is that of the mod file it is built with:
//
//	helm template chart/opennebula | go run -C chart/strict -modfile=k8s-1.30.mod .
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check reads all documents and says what is wrong, a line for each.
func check(manifests io.Reader) error {
	scheme, err := kinds()
	if err != nil {
		return err
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewYAMLReader(bufio.NewReader(manifests))
	var wrong []error
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(wrong...)
		}
		if err != nil {
			return fmt.Errorf("read the manifests: %w", err)
		}
		if err := decode(decoder, document); err != nil {
			wrong = append(wrong, err)
		}
	}
}

func kinds() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
		gatewayv1.Install, certmanagerv1.AddToScheme, monitoringv1.AddToScheme,
	)
	return scheme, builder.AddToScheme(scheme)
}

// decode says which object is wrong, and in what; a document of comments only is
// none.
func decode(decoder runtime.Decoder, document []byte) error {
	json, err := yaml.ToJSON(document)
	if err == nil && bytes.Equal(json, []byte("null")) {
		return nil
	}
	if _, _, err := decoder.Decode(document, nil, nil); err != nil {
		return fmt.Errorf("%s: %w", name(document), err)
	}
	return nil
}

func name(document []byte) string {
	var object metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &object); err != nil {
		return "a manifest that is no object"
	}
	return object.Kind + "/" + object.Name
}
