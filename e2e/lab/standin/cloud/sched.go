package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// The scheduler is a child of oned. Each line between them is a word and a text in
// base64: oned says PLACE and what there is, and the child answers SUCCESS and the
// plan that the policy's own program made.

type request struct {
	XMLName xml.Name    `xml:"SCHEDULER_DRIVER_ACTION"`
	VMs     []vm        `xml:"VM_POOL>VM"`
	Hosts   []candidate `xml:"HOST_POOL>HOST"`
}

type candidate struct {
	ID      int `xml:"ID"`
	Running int `xml:"HOST_SHARE>RUNNING_VMS"`
}

type plan struct {
	XMLName xml.Name    `xml:"PLAN"`
	Actions []placement `xml:"ACTION"`
}

type placement struct {
	VM   int `xml:"VM_ID"`
	Host int `xml:"HOST_ID"`
}

// driver is oned's end.
type driver struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startDriver(ctx context.Context, r root, section conf) (*driver, error) {
	program := r.path(filepath.Join("/usr/lib/one/mads", section.get("EXECUTABLE")))
	cmd := exec.CommandContext(ctx, program, strings.Fields(section.get("ARGUMENTS"))...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 500 * time.Millisecond // oned ends within a second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", program, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", program, err)
	}
	cmd.Cancel = in.Close // its sign to end
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the scheduler: %w", err)
	}
	d := &driver{cmd, in, bufio.NewReader(out)}
	if _, err := d.ask("INIT", nil); err != nil {
		return nil, errors.Join(fmt.Errorf("start the scheduler %s: %w", program, err), in.Close(), cmd.Wait())
	}
	return d, nil
}

func (d *driver) ask(verb string, document any) ([]byte, error) {
	payload, err := xml.Marshal(document)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintln(d.in, line(verb, payload)); err != nil {
		return nil, err
	}
	text, err := d.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("it ended: %w", err)
	}
	status, answer, err := parseLine(text)
	if err == nil && status != "SUCCESS" {
		err = fmt.Errorf("%s %s: %s", verb, status, answer)
	}
	return answer, err
}

func line(word string, payload []byte) string {
	return word + " " + base64.StdEncoding.EncodeToString(payload)
}

func parseLine(text string) (word string, payload []byte, err error) {
	word, encoded, _ := strings.Cut(strings.TrimSpace(text), " ")
	payload, err = base64.StdEncoding.DecodeString(encoded)
	return word, payload, err
}

// runSched is the child's end.
func runSched(ctx context.Context, r root, args []string) error {
	flags := flag.NewFlagSet("one_sched", flag.ContinueOnError)
	placer := flags.String("p", "rank", "policy to place with")
	optimizer := flags.String("o", "one_drs", "policy to optimize with")
	flags.Int("t", 1, "threads; not used")
	if err := flags.Parse(args); err != nil {
		return err
	}
	signal.Reset() // it ends at a signal, even while it waits for oned
	policies := r.path("/var/lib/one/remotes/scheduler")
	in := bufio.NewReader(os.Stdin)
	for {
		text, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from oned: %w", err)
		}
		answer, err := answerLine(ctx, text, filepath.Join(policies, *placer), filepath.Join(policies, *optimizer))
		if err != nil {
			fmt.Println(line("FAILURE", []byte(err.Error())))
			continue
		}
		fmt.Println(line("SUCCESS", answer))
	}
}

func answerLine(ctx context.Context, text, placer, optimizer string) ([]byte, error) {
	verb, payload, err := parseLine(text)
	switch {
	case err != nil:
		return nil, err
	case verb == "INIT":
		_, first := os.Stat(placer)
		_, second := os.Stat(optimizer)
		return nil, errors.Join(first, second)
	case verb == "PLACE":
		return place(ctx, filepath.Join(placer, "place"), payload)
	}
	return nil, fmt.Errorf("the stand-in does not know %s", verb)
}

func place(ctx context.Context, program string, request []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin = bytes.NewReader(request)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	return out, nil
}

// runPlace is the policy rank: the host with the fewest virtual machines. It looks
// at no requirement.
func runPlace(context.Context, root, []string) error {
	var r request
	if err := xml.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return fmt.Errorf("read what is to be placed: %w", err)
	}
	return xml.NewEncoder(os.Stdout).Encode(rank(r))
}

func rank(r request) plan {
	var p plan
	for _, v := range r.VMs {
		var best *candidate
		for i := range r.Hosts {
			if best == nil || r.Hosts[i].Running < best.Running {
				best = &r.Hosts[i]
			}
		}
		if best != nil {
			best.Running++
			p.Actions = append(p.Actions, placement{VM: v.ID, Host: best.ID})
		}
	}
	return p
}
