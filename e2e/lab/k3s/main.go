// Command k3s stands in for the program of this name in the image rancher/k3s, where
// Docker Hub cannot be reached: the cluster of e2e/lab/cluster, on the container that it
// is started in, by the same words and files as far as ci/k3s.go uses them.
//
//	k3s server [flags]
//
// It reads /etc/rancher/k3s/registries.yaml (mirrors alone), keeps its state in
// /var/lib/rancher/k3s, serves the API on port 6443 of the container's own address, and
// ends on SIGTERM. Its programs lie beside it. It differs where nothing here looks: no
// Helm controller, no load balancers, volumes of the type local, and cgroups of version 1
// alone inside a container.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/pablodelarco/opennebula-helm/e2e/lab/cluster"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/images"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/registry"
)

const (
	state      = "/var/lib/rancher/k3s"
	registries = "/etc/rancher/k3s/registries.yaml"
	resolvConf = "/etc/resolv.conf"
	ownImages  = "127.0.0.1:5001" // where the node gets the image of pods' first process
)

func main() {
	if os.Getpid() == 1 {
		os.Exit(runAsInit())
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "k3s: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 || args[0] != "server" {
		return errors.New("the stand-in for k3s knows one command: k3s server")
	}
	o, err := parse(args[1:])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return serve(ctx, o)
}

// options that change what the stand-in does.
type options struct {
	log       string   // file for what the programs say, beside standard error
	apiServer []string // arguments of kube-apiserver
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("k3s server", flag.ContinueOnError)
	flags.StringVar(&o.log, "log", "", "file for the log")
	flags.Func("kube-apiserver-arg", "NAME=VALUE", func(argument string) error {
		o.apiServer = append(o.apiServer, "--"+argument)
		return nil
	})
	// What these ask for is so already.
	flags.Bool("alsologtostderr", true, "log to standard error as well")
	for _, name := range []string{"disable", "tls-san", "flannel-backend"} {
		flags.Func(name, "taken, and left", func(string) error { return nil })
	}
	return o, flags.Parse(args)
}

func serve(ctx context.Context, o options) error {
	config, err := configure(ctx, o)
	if err != nil {
		return err
	}
	out := io.Writer(os.Stderr)
	if o.log != "" {
		file, err := os.Create(o.log)
		if err != nil {
			return fmt.Errorf("create the log: %w", err)
		}
		defer file.Close()
		out = io.MultiWriter(out, file)
	}
	follower := follow(ctx, state, out)
	defer follower.stop()
	started, err := cluster.Start(ctx, config)
	if err != nil {
		return err
	}
	defer started.Stop()
	fmt.Fprintf(out, "k3s is up and running, a stand-in, at %s\n", started.NodeAddress())
	<-ctx.Done()
	return nil
}

// configure the cluster by what lies in the container.
func configure(ctx context.Context, o options) (cluster.Config, error) {
	var config cluster.Config
	programs, err := os.Executable()
	if err != nil {
		return config, fmt.Errorf("find the cluster's programs: %w", err)
	}
	programs = filepath.Dir(programs)
	address, err := network.Towards(network.Elsewhere)
	if err != nil {
		return config, err
	}
	hosts := filepath.Join(state, "registries")
	if err := writeHosts(registries, hosts); err != nil {
		return config, err
	}
	if _, err := registry.Start(ownImages, filepath.Join(state, "images")); err != nil { // until this process ends
		return config, err
	}
	pause, err := images.PushPause(ctx, ownImages, filepath.Join(programs, "pause"))
	if err != nil {
		return config, err
	}
	return cluster.Config{
		Kubernetes: programs, CoreDNS: programs, Pause: programs, State: state, PauseImage: pause,
		Address: address, RegistryHosts: hosts, ResolvConf: resolvConf, APIServer: o.apiServer,
	}, nil
}
