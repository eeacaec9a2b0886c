package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secondaryPause is how long GitHub asks to wait after its secondary limit, where an
// answer does not say it:
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
const secondaryPause = time.Minute

// RateLimited is GitHub's refusal of any further request for a while.
type RateLimited struct {
	Until time.Time
	In    time.Duration // from now to Until
	Token bool          // a token was given
}

func (e *RateLimited) Error() string {
	mend := "run it again then"
	if !e.Token {
		mend += ", or give a token, with which it allows more"
	}
	return fmt.Sprintf("GitHub allows no more requests until %s (in %s): %s",
		e.Until.UTC().Format(time.RFC3339), e.In.Round(time.Second), mend)
}

// patient waits where GitHub says that it answers again soon, and fails with
// RateLimited where it says later.
type patient struct {
	next http.RoundTripper
	settings
}

func (p patient) RoundTrip(request *http.Request) (*http.Response, error) {
	for left := p.maxWait; ; {
		response, err := p.next.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		wait, limited, err := p.limit(response)
		if err != nil || !limited {
			return response, err
		}
		if wait > left {
			return nil, &RateLimited{Until: p.now().Add(wait), In: wait, Token: p.token != ""}
		}
		p.progress(fmt.Sprintf("GitHub allows no more requests for %s: waiting", wait.Round(time.Second)))
		if err := sleep(request.Context(), wait); err != nil {
			return nil, err
		}
		left -= wait
		if request, err = anew(request); err != nil {
			return nil, err
		}
	}
}

// anew is a request with its body from the beginning: it was read when it was sent before.
func anew(request *http.Request) (*http.Request, error) {
	if request.GetBody == nil {
		return request, nil
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, fmt.Errorf("send the request to GitHub again: %w", err)
	}
	again := request.Clone(request.Context())
	again.Body = body
	return again, nil
}

// limit tells whether an answer is a refusal for coming too often, and how long it is to last.
// The header fields are GitHub's:
// https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
func (p patient) limit(response *http.Response) (time.Duration, bool, error) {
	header := response.Header
	after, remaining, reset := header.Get("Retry-After"), header.Get("X-RateLimit-Remaining"), header.Get("X-RateLimit-Reset")
	// go-github would refuse the next request by this machine's clock, which may be wrong.
	for _, name := range []string{"Limit", "Remaining", "Reset"} {
		header.Del("X-RateLimit-" + name)
	}
	if response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusTooManyRequests {
		return 0, false, nil
	}
	if seconds, err := strconv.Atoi(after); err == nil {
		return atLeastASecond(time.Duration(seconds) * time.Second), true, nil
	}
	if at, err := strconv.ParseInt(reset, 10, 64); err == nil && remaining == "0" {
		return atLeastASecond(time.Unix(at, 0).Sub(p.serverTime(response)) + time.Second), true, nil
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, false, fmt.Errorf("read GitHub's refusal: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	limited := response.StatusCode == http.StatusTooManyRequests || strings.Contains(string(content), "secondary rate limit")
	return secondaryPause, limited, nil
}

// serverTime is what the server's clock said with an answer, or else what this one says.
func (p patient) serverTime(response *http.Response) time.Time {
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		return at
	}
	return p.now()
}

func atLeastASecond(d time.Duration) time.Duration { return max(d, time.Second) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
