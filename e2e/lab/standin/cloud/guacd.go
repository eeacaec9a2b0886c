package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func runGuacd(ctx context.Context, _ root, args []string) error {
	flags := flag.NewFlagSet("guacd", flag.ContinueOnError)
	flags.Bool("f", true, "stay in the foreground; the stand-in always does")
	host := flags.String("b", "localhost", "address to listen on")
	port := flags.String("l", "4822", "port to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := listenTCP(ctx, net.JoinHostPort(*host, *port), serveConsole); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// serveConsole says nothing about who leaves, such as a probe.
func serveConsole(c net.Conn) {
	if err := console(c); err != nil && !errors.Is(err, io.EOF) {
		logger{}.printf("GUA", "E", "%v", err)
		fmt.Fprint(c, instruction("error", err.Error(), status(err)))
	}
}

// What guacd lets a client say about a VNC server; the first is its protocol's
// version.
var consoleArgs = []string{"VERSION_1_5_0", "hostname", "port", "read-only", "encodings", "username", "password"}

// upstreamError is a console that is not there.
type upstreamError struct{ error }

// status is the protocol's number of an error.
func status(err error) string {
	if gone := new(upstreamError); errors.As(err, gone) {
		return "519"
	}
	return "768" // what the client said is wrong
}

// console speaks the Guacamole protocol up to the point where a picture would
// come. guacd says ready before it has tried the server; the stand-in only after
// the server has greeted, so that ready means something.
func console(c net.Conn) error {
	in := bufio.NewReader(c)
	what, err := expect(in, "select")
	if err != nil {
		return err
	}
	if !slices.Equal(what, []string{"vnc"}) {
		return fmt.Errorf("the stand-in knows vnc only, not %q", what)
	}
	fmt.Fprint(c, instruction("args", consoleArgs...))
	values, err := expect(in, "connect")
	if err != nil {
		return err
	}
	if len(values) != len(consoleArgs) {
		return fmt.Errorf("connect has %d values; asked for were %d", len(values), len(consoleArgs))
	}
	server, err := greeting(net.JoinHostPort(values[1], values[2]))
	if err != nil {
		return upstreamError{err}
	}
	defer func() { _ = server.Close() }()
	fmt.Fprint(c, instruction("ready", "$"+rand.Text()))
	_, err = expect(in, "disconnect")
	return err
}

// greeting connects to a VNC server, and waits for what each of them says first.
func greeting(address string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	first := make([]byte, 12)
	err = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if err == nil {
		_, err = io.ReadFull(c, first)
	}
	if err == nil && !strings.HasPrefix(string(first), "RFB ") {
		err = fmt.Errorf("it greets with %q", first)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("no VNC server is at %s: %w", address, err), c.Close())
	}
	return c, nil
}

// instruction is one of the protocol's: elements, each after its length.
func instruction(name string, values ...string) string {
	elements := []string{}
	for _, e := range append([]string{name}, values...) {
		elements = append(elements, fmt.Sprintf("%d.%s", utf8.RuneCountInString(e), e))
	}
	return strings.Join(elements, ",") + ";"
}

// expect returns the values of the next instruction of a name; others are skipped.
func expect(in *bufio.Reader, name string) ([]string, error) {
	for {
		found, err := readInstruction(in)
		if err != nil {
			return nil, fmt.Errorf("wait for %s: %w", name, err)
		}
		if found[0] == name {
			return found[1:], nil
		}
	}
}

func readInstruction(in *bufio.Reader) (elements []string, err error) {
	for {
		element, end, err := readElement(in)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
		switch end {
		case ';':
			return elements, nil
		case ',':
		default:
			return nil, fmt.Errorf("an element ends with %q", end)
		}
	}
}

// readElement counts characters, not bytes.
func readElement(in *bufio.Reader) (element string, end rune, err error) {
	text, err := in.ReadString('.')
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(text, "."), 10, 13)
	if err != nil {
		return "", 0, fmt.Errorf("read the length of an element: %w", err)
	}
	characters := make([]rune, n+1)
	for i := range characters {
		if characters[i], _, err = in.ReadRune(); err != nil {
			return "", 0, err
		}
	}
	return string(characters[:n]), characters[n], nil
}
