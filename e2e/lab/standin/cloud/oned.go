package main

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// oned keeps users, hosts, templates and virtual machines.
type oned struct {
	conf    conf
	monitor conf // monitord.conf
	store   *store
	log     logger
	mu      sync.Mutex // one request, or one step of the loop, at a time
}

func runOned(ctx context.Context, r root, args []string) error {
	flags := flag.NewFlagSet("oned", flag.ContinueOnError)
	flags.Bool("f", true, "stay in the foreground; the stand-in always does")
	if err := flags.Parse(args); err != nil {
		return err
	}
	lock := r.path("/run/lock/one/one")
	f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("another oned seems to run: create the lock file %s: %w", lock, err)
	}
	return errors.Join(f.Close(), serveOned(ctx, r), os.Remove(lock))
}

func serveOned(ctx context.Context, r root) error {
	o := &oned{log: logger{r.path("/var/log/one/oned.log")}}
	if err := o.configure(ctx, r); err != nil {
		return err // as with oned, no log has been opened yet
	}
	if err := o.serve(ctx, r); err != nil {
		o.log.printf("ONE", "E", "%v", err)
		return err
	}
	o.log.printf("ONE", "I", "All modules finalized, exiting.")
	return nil
}

func (o *oned) configure(ctx context.Context, r root) (err error) {
	if o.conf, err = readConf(r.path("/etc/one/oned.conf")); err != nil {
		return err
	}
	if o.monitor, err = readConf(r.path("/etc/one/monitord.conf")); err != nil {
		return err
	}
	if o.conf.section("LOG").get("SYSTEM") == "std" {
		o.log.file = ""
	}
	if o.conf.get("HOSTNAME") != "" {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read the host name: %w", err)
	}
	return resolve(ctx, name)
}

func resolve(ctx context.Context, name string) error {
	if _, err := net.DefaultResolver.LookupHost(ctx, name); err != nil {
		return fmt.Errorf("the host name %s does not resolve: %w", name, err)
	}
	return nil
}

func (o *oned) serve(ctx context.Context, r root) (err error) {
	o.log.printf("ONE", "I", "Starting the stand-in for OpenNebula %s: it runs no virtual machines", version)
	o.log.printf("ONE", "I", "Using hostname: %s", o.conf.get("HOSTNAME"))
	if err := ensureKey(r.path("/var/lib/one/.one")); err != nil {
		return err
	}
	o.store, err = openStore(ctx, o.conf.section("DB"), r.path("/var/lib/one/one.db"))
	if err != nil {
		return err
	}
	defer o.store.db.Close()
	if err := o.store.prepare(ctx); err != nil {
		return fmt.Errorf("use the database: %w", err)
	}
	if err := bootstrap(ctx, o.store, r.path("/var/lib/one/.one")); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sched, err := startDriver(ctx, r, o.conf.section("SCHED_MAD"))
	if err != nil {
		return fmt.Errorf("start the scheduler manager: %w", err)
	}
	defer func() { stop(); _ = sched.cmd.Wait() }()
	o.log.printf("SCM", "I", "Scheduler driver started, pid %d", sched.cmd.Process.Pid)
	if err := listenMonitor(ctx, o.monitor.section("NETWORK"), logger{r.path("/var/log/one/monitor.log")}); err != nil {
		return fmt.Errorf("start the information manager: %w", err)
	}
	return o.loop(ctx, sched)
}

func (o *oned) loop(ctx context.Context, sched *driver) error {
	address := net.JoinHostPort(o.conf.get("LISTEN_ADDRESS"), o.conf.get("PORT"))
	ended := make(chan error, 1)
	go func() { ended <- listenHTTP(ctx, address, rpcHandler(o.call)) }()
	o.log.printf("ReM", "I", "Request Manager started at %s", address)
	for alive := true; ; {
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Second):
		}
		if err := o.watch(ctx); err != nil {
			o.log.printf("ONE", "E", "monitor the hosts: %v", err)
		}
		if !alive {
			continue
		}
		if err := o.schedule(ctx, sched); err != nil && ctx.Err() == nil {
			o.log.printf("SCM", "E", "Nothing is placed from here on: %v", err)
			alive = false
		}
	}
}

// watch decides about new hosts: those of the dummy driver are there, others never
// will be.
func (o *oned) watch(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	hosts, err := list[host](ctx, o.store, "host_pool")
	if err != nil {
		return err
	}
	dummy := o.conf.has("VM_MAD", "dummy") && o.monitor.has("IM_MAD", "dummy")
	for _, h := range hosts {
		if h.State != hostInit {
			continue
		}
		h.State = hostMonitored
		if h.IM != "dummy" || h.VMM != "dummy" || !dummy {
			h.State = hostError
			h.Template = inner{h.Template.XML + "<ERROR>The stand-in has no hypervisor: it knows the drivers dummy, where oned.conf and monitord.conf have them</ERROR>"}
		}
		if err := o.store.put(ctx, "host_pool", h.ID, h.Name, h); err != nil {
			return err
		}
	}
	return nil
}

// schedule asks the scheduler where to put what is pending, and does what it says.
// An error of the database is logged; an error returned is the scheduler's end.
func (o *oned) schedule(ctx context.Context, sched *driver) error {
	r, err := o.pending(ctx)
	if err != nil {
		o.log.printf("SCM", "E", "%v", err)
		return nil
	}
	if len(r.VMs) == 0 || len(r.Hosts) == 0 {
		return nil
	}
	answer, err := sched.ask("PLACE", r)
	if err != nil {
		return err
	}
	var p plan
	if err := xml.Unmarshal(answer, &p); err != nil {
		return fmt.Errorf("read its plan: %w", err)
	}
	for _, a := range p.Actions {
		if err := o.deploy(ctx, a); err != nil {
			o.log.printf("SCM", "E", "deploy virtual machine %d on host %d: %v", a.VM, a.Host, err)
		}
	}
	return nil
}

func (o *oned) pending(ctx context.Context) (r request, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	vms, err := list[vm](ctx, o.store, "vm_pool")
	if err != nil {
		return r, err
	}
	hosts, err := list[host](ctx, o.store, "host_pool")
	if err != nil {
		return r, err
	}
	for _, v := range vms {
		if v.State == vmPending {
			r.VMs = append(r.VMs, v)
		}
	}
	for _, h := range hosts {
		c := candidate{ID: h.ID}
		for _, v := range vms {
			if v.on(h.ID) {
				c.Running++
			}
		}
		if h.State == hostMonitored {
			r.Hosts = append(r.Hosts, c)
		}
	}
	return r, nil
}

func (o *oned) deploy(ctx context.Context, a placement) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var v vm
	var h host
	if err := errors.Join(o.store.get(ctx, "vm_pool", a.VM, &v), o.store.get(ctx, "host_pool", a.Host, &h)); err != nil {
		return err
	}
	if v.State != vmPending {
		return nil // ended meanwhile
	}
	v.State, v.LCMState = vmActive, lcmRunning
	v.History = []history{{Host: h.Name, HID: h.ID, VMM: h.VMM}}
	return o.store.put(ctx, "vm_pool", v.ID, v.Name, v)
}

// listenHTTP serves until the context ends.
func listenHTTP(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 15 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	return nil
}
