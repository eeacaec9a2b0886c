package upstreamtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Answer is what a stand-in says to one request in place of the right thing.
type Answer func(http.ResponseWriter)

// Status is an answer without a content.
func Status(code int) Answer { return func(w http.ResponseWriter) { w.WriteHeader(code) } }

// Content is a text where the right thing was expected.
func Content(text string) Answer {
	return func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, text) }
}

// Redirect sends elsewhere.
func Redirect(url string) Answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Location", url)
		w.WriteHeader(http.StatusFound)
	}
}

// Silence lasts for a while.
func Silence(d time.Duration) Answer { return func(http.ResponseWriter) { time.Sleep(d) } }

// CutOff promises more than it sends, as a connection does that breaks.
func CutOff(text string) Answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", strconv.Itoa(len(text)+100))
		_, _ = fmt.Fprint(w, text)
	}
}

// RateLimit is GitHub's refusal once all requests of an hour are used, until a time by
// the server's clock, which says now.
func RateLimit(now, until time.Time) Answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		w.Header().Set("X-RateLimit-Limit", "60")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(until.Unix(), 10))
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"message":"API rate limit exceeded for 192.0.2.1."}`)
	}
}

// SecondaryLimit is GitHub's refusal of too many requests at once.
func SecondaryLimit(retryAfter time.Duration) Answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}`)
	}
}

// script keeps what was asked, and what is to be said next.
type script struct {
	mutex    sync.Mutex
	next     []Answer
	requests []string
}

// Next sets what the next requests are answered, in order; the right things follow.
func (s *script) Next(answers ...Answer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.next = append(s.next, answers...)
}

// Requests are the paths and queries asked for so far.
func (s *script) Requests() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.requests)
}

// around notes a request, and answers it in the handler's place where that is set.
func (s *script) around(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		s.requests = append(s.requests, r.URL.RequestURI())
		answer := Answer(func(w http.ResponseWriter) { handler.ServeHTTP(w, r) })
		if len(s.next) > 0 {
			answer, s.next = s.next[0], s.next[1:]
		}
		s.mutex.Unlock()
		answer(w)
	})
}
