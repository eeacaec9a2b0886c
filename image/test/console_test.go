package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A console is a VNC server of a hypervisor, which guacd draws for FireEdge. The
// test speaks Guacamole's protocol, as FireEdge does, and RFB, as QEMU does.
func TestConsole(t *testing.T) {
	d := newDeployment(t, version())
	d.succeed("bootstrap")
	d.start("guacd")
	screen := d.listen(5900)
	shown := make(chan error, 1)
	go func() { shown <- serveScreen(screen) }()

	conn, err := d.pod.Dial(t.Context(), "tcp", "127.0.0.1:4822")
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	guacd := bufio.NewReader(conn)

	send(t, conn, "select", "vnc")
	args := receive(t, guacd)
	require.Equal(t, "args", args[0])
	send(t, conn, "size", "64", "64", "96")
	send(t, conn, "audio")
	send(t, conn, "video")
	send(t, conn, "image", "image/png")
	values := []string{"connect"}
	for _, name := range args[1:] {
		values = append(values, map[string]string{"VERSION_1_5_0": "VERSION_1_5_0", "VERSION_1_3_0": "VERSION_1_3_0", "hostname": "127.0.0.1", "port": "5900"}[name])
	}
	send(t, conn, values...)
	require.Equal(t, "ready", receive(t, guacd)[0])
	require.NoError(t, <-shown, "what the VNC server saw")
	if isReal(version()) { // the stand-in draws nothing
		require.NoError(t, drawn(guacd, 64))
	}
}

// listen on a port of the pod, as a hypervisor would.
func (d *deployment) listen(port int) net.Listener {
	d.t.Helper()
	listener, err := d.pod.Listen("127.0.0.1:" + strconv.Itoa(port))
	require.NoError(d.t, err)
	d.t.Cleanup(func() { listener.Close() })
	return listener
}

// send an instruction: elements with their lengths in front.
func send(t *testing.T, w io.Writer, elements ...string) {
	t.Helper()
	var parts []string
	for _, e := range elements {
		parts = append(parts, fmt.Sprintf("%d.%s", len(e), e))
	}
	_, err := io.WriteString(w, strings.Join(parts, ",")+";")
	require.NoError(t, err)
}

func receive(t *testing.T, r *bufio.Reader) []string {
	t.Helper()
	elements, err := instruction(r)
	require.NoError(t, err)
	return elements
}

func instruction(r *bufio.Reader) (elements []string, err error) {
	for {
		length, err := r.ReadString('.')
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, "."))
		if err != nil {
			return nil, err
		}
		element := make([]byte, n+1) // and what comes after it
		if _, err := io.ReadFull(r, element); err != nil {
			return nil, err
		}
		elements = append(elements, string(element[:n]))
		if element[n] == ';' {
			return elements, nil
		}
	}
}

// drawn: guacd has told the size of the server's screen.
func drawn(r *bufio.Reader, width int) error {
	for {
		i, err := instruction(r)
		if err != nil {
			return fmt.Errorf("wait for the screen: %w", err)
		}
		if i[0] == "error" {
			return fmt.Errorf("guacd says %q", i)
		}
		if i[0] == "size" && len(i) == 4 && i[2] == strconv.Itoa(width) {
			return nil
		}
	}
}

// serveScreen is a VNC server of a black screen of 64 by 64, without a password.
func serveScreen(l net.Listener) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "RFB 003.003\n"); err != nil {
		return err
	}
	greeting := make([]byte, 12)
	if n, _ := io.ReadFull(conn, greeting); n == 0 {
		return nil // the stand-in is content with the greeting
	}
	screen := append([]byte{0, 0, 0, 1, 0, 64, 0, 64, // no password; width and height
		32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, // colours
		0, 0, 0, 4}, "test"...)
	if _, err := conn.Write(screen); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // what the viewer asks for
	return nil
}

// Sunstone asks for a console on a websocket, on FireEdge's own port.
func TestConsoleNeedsLogin(t *testing.T) {
	if !isReal(version()) {
		t.Skip("the stand-in for FireEdge has no websockets")
	}
	d := newDeployment(t, version())
	d.cloud()
	client := http.Client{Transport: &http.Transport{DialContext: d.pod.Dial}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:2616/fireedge/guacamole?token=none", nil)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	assert.FileExists(t, filepath.Join(d.path("data"), ".one/fireedge_key"))
}
