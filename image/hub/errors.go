package hub

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// said is what Docker Hub answered, in a line.
func said(response *http.Response, content []byte) string {
	var answer struct {
		Message string `json:"message"`
		Detail  string `json:"detail"`
	}
	_ = json.Unmarshal(content, &answer) // what is no JSON says nothing
	line := strings.Join(strings.Fields(answer.Message+" "+answer.Detail), " ")
	if line == "" {
		return response.Status
	}
	return response.Status + " (" + line + ")"
}

// mend says what to do about an answer, where that is known.
func mend(method string, status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return ": the user and the token do not belong together, or the token has expired: make a new one"
	case status == http.StatusForbidden && method == http.MethodPatch:
		return ": the token may not change this: make one that may read, write and delete, as a user who may administer the repository"
	case status == http.StatusForbidden:
		return ": the token may not do this: make one that may read, write and delete"
	case status == http.StatusNotFound:
		return ": there is no such repository, or the token may not see it: push an image first, or correct the name"
	case status == http.StatusTooManyRequests:
		return ": there were too many requests: do it again later"
	case status >= 500:
		return ": the fault is Docker Hub's: do it again later"
	case status >= 300 && status < 400:
		return ": it has moved: give the URL that it moved to"
	default:
		return ""
	}
}

// reason is an error of a request without the URL.
func reason(err error) string {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}

// hide keeps tokens out of what a server, or a proxy before it, repeats.
func (s session) hide(text string) string {
	for _, secret := range []string{s.token, url.QueryEscape(s.token), s.access} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
