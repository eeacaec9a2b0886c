package main

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/kolo/xmlrpc"
	"sigs.k8s.io/yaml"
)

// listenMonitor is monitord's port: hypervisors would report there.
func listenMonitor(ctx context.Context, network conf, log logger) error {
	address := network.get("ADDRESS")
	if address == "::" {
		address = "" // wherever IPv6 is off, that fails
	}
	address = net.JoinHostPort(address, network.get("PORT"))
	udp, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("listen for monitoring: %w", err)
	}
	if err := listenTCP(ctx, address, func(net.Conn) {}); err != nil {
		return errors.Join(err, udp.Close())
	}
	log.printf("MON", "I", "Listening at %s, agents report to %s", address, network.get("MONITOR_ADDRESS"))
	context.AfterFunc(ctx, func() { _ = udp.Close() })
	go func() {
		for buffer := make([]byte, 1<<16); ; {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			log.printf("MON", "D", "Ignored %d bytes from %s", n, from)
		}
	}()
	return nil
}

// listenTCP serves each connection and hangs up, until the context ends.
func listenTCP(ctx context.Context, address string, serve func(net.Conn)) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c)
			}()
		}
	}()
	return nil
}

// runHem waits for events, of which there are none.
func runHem(ctx context.Context, r root, _ []string) error {
	if _, err := readSymbols(r.path("/etc/one/onehem-server.conf")); err != nil {
		return err
	}
	logger{r.path("/var/log/one/onehem.log")}.printf("HEM", "I", "Started; the stand-in runs no hooks")
	<-ctx.Done()
	return nil
}

// runHost brings the drivers to all hosts, whatever they are: all that there is of the command.
func runHost(ctx context.Context, r root, args []string) error {
	if !slices.Equal(args, []string{"sync", "--force"}) {
		return fmt.Errorf("the stand-in knows onehost sync --force, not %q", args)
	}
	session, err := r.session()
	if err != nil {
		return err
	}
	answer, err := queryOned(endpoint(), "one.hostpool.info", session)
	if err != nil {
		return err
	}
	var pool struct {
		Names []string `xml:"HOST>NAME"`
	}
	if err := xml.Unmarshal([]byte(answer), &pool); err != nil {
		return fmt.Errorf("read the hosts: %w", err)
	}
	var failed error
	for _, name := range pool.Names {
		out, err := exec.CommandContext(ctx, "rsync", "-Laz", "--delete", r.path("/var/lib/one/remotes")+"/", name+":/var/tmp/one/").CombinedOutput()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("update %s: %w: %s", name, err, out))
		}
	}
	return failed
}

// runShowback has oned calculate what virtual machines cost: all that there is of
// the command.
func runShowback(_ context.Context, r root, args []string) error {
	if len(args) != 1 || args[0] != "calculate" {
		return fmt.Errorf("the stand-in knows oneshowback calculate, not %q", args)
	}
	session, err := r.session()
	if err != nil {
		return err
	}
	return callOned(endpoint(), "one.vmpool.calculateshowback", session, -1, -1, -1, -1)
}

// symbols is a YAML file with Ruby's symbols as keys.
type symbols map[string]any

func readSymbols(file string) (symbols, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var s symbols
	if err := yaml.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	return s, nil
}

func (s symbols) get(key string) string { return fmt.Sprint(s[":"+key]) }

func (s symbols) address() string { return net.JoinHostPort(s.get("host"), s.get("port")) }

// runGate refuses every caller: no virtual machine that runs has a token.
func runGate(ctx context.Context, r root, _ []string) error {
	return serveCloud(ctx, r, "onegate", func(mux *http.ServeMux, _ symbols) {
		for _, path := range []string{"/{$}", "/vm", "/service", "/vrouter", "/vnet/{id}", "/vms/{id}"} {
			mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json;charset=utf-8")
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, "Not authorized")
			})
		}
	})
}

// runFlow lists services to whoever oned knows.
func runFlow(ctx context.Context, r root, _ []string) error {
	return serveCloud(ctx, r, "oneflow", func(mux *http.ServeMux, s symbols) {
		mux.HandleFunc("GET /service", func(w http.ResponseWriter, q *http.Request) {
			code, body := services(q, s.get("one_xmlrpc"))
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		})
	})
}

// serveCloud runs oneflow or onegate: each has a configuration, serveradmin's
// credentials and a log of its own name. As long as oned refuses the credentials,
// every answer is 500.
func serveCloud(ctx context.Context, r root, name string, route func(*http.ServeMux, symbols)) error {
	s, err := readSymbols(r.path("/etc/one/" + name + "-server.conf"))
	if err != nil {
		return err
	}
	auth, err := os.ReadFile(r.path("/var/lib/one/.one/" + name + "_auth"))
	if err != nil {
		return fmt.Errorf("read serveradmin's credentials: %w", err)
	}
	tag := strings.ToUpper(strings.TrimPrefix(name, "one"))
	log := logger{r.path("/var/log/one/" + name + ".log")}
	log.printf(tag, "I", "Listening at %s", s.address())
	mux := http.NewServeMux()
	route(mux, s)
	return listenHTTP(ctx, s.address(), http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		err := callOned(s.get("one_xmlrpc"), serverCheck, strings.TrimSpace(string(auth)))
		if no := new(refusal); errors.As(err, no) {
			log.printf(tag, "E", "oned refuses %s: %v", serverAdmin, err)
			http.Error(w, "oned refuses "+serverAdmin, http.StatusInternalServerError)
			return
		}
		mux.ServeHTTP(w, q)
	}))
}

func services(q *http.Request, endpoint string) (int, string) {
	name, password, ok := q.BasicAuth()
	if !ok {
		return http.StatusUnauthorized, "A username and password must be provided"
	}
	if err := askOned(endpoint, name+":"+password); err != nil {
		return http.StatusUnauthorized, "Invalid credentials"
	}
	return http.StatusOK, `{"DOCUMENT_POOL":{}}`
}

// askOned who a session is; an error says that it is nobody's.
func askOned(endpoint, session string) error {
	return callOned(endpoint, "one.user.info", session, -1, false)
}

// callOned asks for something to be done; if oned says no, the error is a refusal.
func callOned(endpoint, method string, params ...any) error {
	_, err := queryOned(endpoint, method, params...)
	return err
}

// queryOned returns what oned answers; if it says no, the error is a refusal.
func queryOned(endpoint, method string, params ...any) (string, error) {
	client, err := xmlrpc.NewClient(endpoint, nil)
	if err != nil {
		return "", fmt.Errorf("use %s: %w", endpoint, err)
	}
	defer func() { _ = client.Close() }()
	var answer []any
	if err := client.Call(method, params, &answer); err != nil {
		return "", fmt.Errorf("ask %s: %w", endpoint, err)
	}
	if ok, _ := answer[0].(bool); !ok {
		return "", refusal{codeAction, fmt.Sprint(answer[1])}
	}
	return fmt.Sprint(answer[1]), nil
}

// endpoint of oned for what runs beside it.
func endpoint() string { return cmp.Or(os.Getenv("ONE_XMLRPC"), "http://localhost:2633/RPC2") }

// session of oneadmin, as the command-line tools find it.
func (r root) session() (string, error) {
	text, err := os.ReadFile(cmp.Or(os.Getenv("ONE_AUTH"), r.path("/var/lib/one/.one/one_auth")))
	if err != nil {
		return "", fmt.Errorf("read oneadmin's credentials: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
