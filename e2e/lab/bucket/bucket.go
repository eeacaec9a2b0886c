// Package bucket is the lab's stand-in for an S3 service, such as a provider's or
// MinIO: one bucket, in this process and in memory, for one key.
package bucket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Config of a bucket.
type Config struct {
	Address string // host:port to serve at; port 0 chooses one
	Name    string // of the bucket
	Key     Key    // the only one that is let in
}

// Bucket is served until it is stopped, and then gone with all that is in it.
type Bucket struct {
	name    string
	address string
	objects *s3mem.Backend
	server  *http.Server
}

// Start serves an empty bucket over plain HTTP.
func Start(c Config) (*Bucket, error) {
	b := &Bucket{name: c.Name, objects: s3mem.New()}
	if err := b.objects.CreateBucket(c.Name); err != nil {
		return nil, fmt.Errorf("make the bucket %q: %w", c.Name, err)
	}
	listener, err := net.Listen("tcp", c.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the bucket's address %s is in use: end what listens there, or choose another", c.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the bucket: %w", err)
	}
	b.address = listener.Addr().String()
	b.server = &http.Server{
		Handler:           c.Key.guard(gofakes3.New(b.objects).Server()),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = b.server.Serve(listener) }() // ends with Stop
	return b, nil
}

// URL of the service, without the bucket: what clients call the endpoint.
func (b *Bucket) URL() string { return "http://" + b.address }

// Keys of all objects that begin with a prefix, in order.
func (b *Bucket) Keys(prefix string) ([]string, error) {
	list, err := b.objects.ListBucket(b.name, &gofakes3.Prefix{HasPrefix: prefix != "", Prefix: prefix}, gofakes3.ListBucketPage{})
	if err != nil {
		return nil, fmt.Errorf("list the bucket %s: %w", b.name, err)
	}
	var keys []string
	for _, object := range list.Contents {
		keys = append(keys, object.Key)
	}
	slices.Sort(keys)
	return keys, nil
}

// Read an object.
func (b *Bucket) Read(key string) ([]byte, error) {
	object, err := b.objects.GetObject(b.name, key, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s from the bucket %s: %w", key, b.name, err)
	}
	defer object.Contents.Close()
	return io.ReadAll(object.Contents)
}

// Stop ends the service, and what is under way with it.
func (b *Bucket) Stop() {
	if b != nil {
		_ = b.server.Close()
	}
}
