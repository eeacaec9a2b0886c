// Package registry is an OCI registry in this process.
package registry

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Registry serves images and charts over plain HTTP.
type Registry struct {
	server  *http.Server
	address string
}

// Start serves on a host:port, keeping blobs in dir.
func Start(address, dir string) (*Registry, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the registry's folder: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the registry's port %s is in use: end what listens there, or choose another with --registry-port", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the registry: %w", err)
	}
	handler := registry.New(
		registry.Logger(log.New(io.Discard, "", 0)),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)),
	)
	r := &Registry{address: listener.Addr().String(), server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = r.server.Serve(listener) }() // ends with Stop
	return r, nil
}

// Address is host:port, the first part of a reference.
func (r *Registry) Address() string { return r.address }

// Stop ends the service, and what is under way with it.
func (r *Registry) Stop() {
	if r != nil {
		_ = r.server.Close()
	}
}
