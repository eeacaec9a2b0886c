package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInstruction(t *testing.T) {
	text := instruction("connect", "", "hóst", "a;b,c.d")
	require.Equal(t, "7.connect,0.,4.hóst,7.a;b,c.d;", text)
	found, err := readInstruction(bufio.NewReader(strings.NewReader(text)))
	require.NoError(t, err)
	require.Equal(t, []string{"connect", "", "hóst", "a;b,c.d"}, found)
}

func TestInstructionRefuses(t *testing.T) {
	for _, text := range []string{"", "x.select;", "-1.a;", "9999999.a;", "6.select", "3.select;"} {
		_, err := readInstruction(bufio.NewReader(strings.NewReader(text)))
		require.Error(t, err, text)
	}
}

func TestConsole(t *testing.T) {
	vnc, mute := greeter(t, "RFB 003.008\n"), greeter(t, "SSH-2.0-nothing\n")
	for _, c := range []struct{ client, answer string }{
		{"6.select,3.vnc;4.size,4.1024,3.768,2.96;" + connect(vnc), "args ready"},
		{"6.select,3.vnc;" + connect(mute), "args error 519"},
		{"6.select,3.vnc;" + connect("127.0.0.1:1"), "args error 519"},
		{"6.select,3.vnc;7.connect,0.;", "args error 768"},
		{"6.select,3.rdp;", "error 768"},
		{"x.select;", "error 768"},
		{"", ""},
	} {
		require.Equal(t, c.answer, talk(t, c.client), c.client)
	}
}

func connect(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return instruction("connect", consoleArgs[0], host, port, "", "", "", "")
}

// talk returns the names of the answers, and an error's number.
func talk(t *testing.T, text string) string {
	address := listen(t)
	require.NoError(t, listenTCP(t.Context(), address, serveConsole))
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprint(c, text)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	in, names := bufio.NewReader(c), []string{}
	for {
		found, err := readInstruction(in)
		if err != nil {
			return strings.Join(names, " ")
		}
		names = append(names, found[0])
		if found[0] == "error" {
			names = append(names, found[2])
		}
	}
}

// listen returns an address that is free.
func listen(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// greeter says one thing to whoever connects.
func greeter(t *testing.T, text string) string {
	address := listen(t)
	require.NoError(t, listenTCP(t.Context(), address, func(c net.Conn) { fmt.Fprint(c, text) }))
	return address
}
