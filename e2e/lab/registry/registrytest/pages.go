package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pagedTags lists tags page by page, as registries do; go-containerregistry's would end
// after one page and not say that there are more.
func pagedTags(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || !strings.HasSuffix(r.URL.Path, "/tags/list") {
			next.ServeHTTP(w, r)
			return
		}
		whole, answer := r.Clone(r.Context()), httptest.NewRecorder()
		whole.URL.RawQuery = ""
		next.ServeHTTP(answer, whole)
		var list struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		}
		if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &list) != nil {
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
			return
		}
		last := r.URL.Query().Get("last")
		list.Tags = slices.DeleteFunc(list.Tags, func(tag string) bool { return tag <= last })
		if len(list.Tags) > size {
			list.Tags = list.Tags[:size]
			query := url.Values{"n": {strconv.Itoa(size)}, "last": {list.Tags[size-1]}}
			w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.Path, query.Encode()))
		}
		_ = json.NewEncoder(w).Encode(list)
	})
}
