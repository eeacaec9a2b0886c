package packages

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// server gives files and folders over plain HTTP, as apt takes them.
type server struct {
	http    *http.Server
	address string
}

// serve takes contents and folders by the path under which they are found.
func serve(address string, files map[string][]byte, folders map[string]string) (*server, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the package repository's port %s is in use: end what listens there, or choose another with --packages-port", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the package repository: %w", err)
	}
	mux := http.NewServeMux()
	for path, content := range files {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	}
	for path, folder := range folders {
		mux.Handle(path, http.StripPrefix(path, http.FileServer(http.Dir(folder))))
	}
	s := &server{http: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, address: listener.Addr().String()}
	go func() { _ = s.http.Serve(listener) }() // ends with stop
	return s, nil
}

func (s *server) url(path string) string { return "http://" + s.address + path }

func (s *server) stop() { _ = s.http.Close() }
