// Package proposaltest stands in for GitHub where pull requests are made, and workflows
// enabled.
package proposaltest

import (
	"cmp"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Token is the only one that GitHub knows.
const Token = "ghs_secret"

// GitHub keeps one repository, me/it, as GitHub does, and counts what is asked of it.
// What a test changes itself, it changes between requests.
type GitHub struct {
	URL       string            // of the API
	Refs      map[string]string // heads/… to commits
	Commits   map[string]Commit // by hash
	Pulls     []*Pull
	Workflows []*Workflow
	PageSize  int

	Asked   []string // method and path of each request
	Changed int      // requests that changed something
	// Fault answers the n-th request in GitHub's place, where it returns true.
	Fault func(n int, w http.ResponseWriter, carryOut func()) bool

	mutex    sync.Mutex
	trees    map[string]map[string]File
	contents map[string]string // of blobs
}

// File is one of a tree, without its path.
type File struct{ Mode, SHA string }

// Commit is one with the hashes of its tree and its parents.
type Commit struct {
	SHA, Tree, Message string
	Parents            []string
}

// Pull is a pull request as the API has it, flattened.
type Pull struct {
	Number                         int
	Title, Body, Head, Base, State string
	Labels                         []string
	Merged                         bool
}

// Workflow is one as the API has it, by its place in the list from 1 on.
type Workflow struct {
	Path, State string
	Enabled     int // how often it was
}

// New serves until the test ends. The branch main has some files, by their paths.
func New(t testing.TB, files map[string]string) *GitHub {
	g := &GitHub{
		trees: map[string]map[string]File{}, contents: map[string]string{}, Commits: map[string]Commit{}, Refs: map[string]string{},
		PageSize: 100,
	}
	g.Push("main", "begin", files)
	mux := http.NewServeMux()
	const repo = "/repos/me/it"
	mux.HandleFunc("GET "+repo+"/git/ref/{ref...}", g.getRef)
	mux.HandleFunc("GET "+repo+"/git/matching-refs/{ref...}", g.matchingRefs)
	mux.HandleFunc("POST "+repo+"/git/refs", g.createRef)
	mux.HandleFunc("PATCH "+repo+"/git/refs/{ref...}", g.updateRef)
	mux.HandleFunc("DELETE "+repo+"/git/refs/{ref...}", g.deleteRef)
	mux.HandleFunc("GET "+repo+"/git/commits/{sha}", g.getCommit)
	mux.HandleFunc("POST "+repo+"/git/commits", g.createCommit)
	mux.HandleFunc("GET "+repo+"/git/trees/{sha}", g.getTree)
	mux.HandleFunc("POST "+repo+"/git/trees", g.createTree)
	mux.HandleFunc("GET "+repo+"/pulls", g.listPulls)
	mux.HandleFunc("POST "+repo+"/pulls", g.createPull)
	mux.HandleFunc("PATCH "+repo+"/pulls/{number}", g.editPull)
	mux.HandleFunc("POST "+repo+"/issues/{number}/labels", g.addLabels)
	mux.HandleFunc("GET "+repo+"/actions/workflows", g.listWorkflows)
	mux.HandleFunc("PUT "+repo+"/actions/workflows/{id}/enable", g.enableWorkflow)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { Refuse(w, 404, "Not Found") })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mutex.Lock()
		defer g.mutex.Unlock()
		g.Asked = append(g.Asked, r.Method+" "+r.URL.Path)
		if r.Header.Get("Authorization") != "Bearer "+Token {
			Refuse(w, 401, "Bad credentials")
			return
		}
		carryOut := func() { mux.ServeHTTP(httptest.NewRecorder(), r) }
		if g.Fault != nil && g.Fault(len(g.Asked), w, carryOut) {
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// Push is one by a person: some files changed, on a branch.
func (g *GitHub) Push(branch, message string, files map[string]string) {
	parent := g.Refs["heads/"+branch]
	tree := maps.Clone(g.trees[g.Commits[parent].Tree])
	if tree == nil {
		tree = map[string]File{}
	}
	for path, content := range files {
		mode := "100644"
		if strings.HasPrefix(content, "#!") {
			mode = "100755"
		}
		tree[path] = g.Store(mode, content)
	}
	g.Refs["heads/"+branch] = g.Record(Commit{Tree: g.StoreTree(tree), Message: message, Parents: slices.DeleteFunc([]string{parent}, func(p string) bool { return p == "" })})
}

// SetHead gives the last commit of a branch the hash that a checkout has of it.
func (g *GitHub) SetHead(branch, sha string) {
	head := g.Commits[g.Refs["heads/"+branch]]
	head.SHA = sha
	g.Commits[sha], g.Refs["heads/"+branch] = head, sha
}

// Store keeps a file, as git names it.
func (g *GitHub) Store(mode, content string) File {
	f := File{mode, named("blob %d\x00%s", len(content), content)}
	g.contents[f.SHA] = content
	return f
}

// StoreTree keeps files by their paths, and returns the hash.
func (g *GitHub) StoreTree(tree map[string]File) string {
	var text string
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		text += path + " " + tree[path].Mode + " " + tree[path].SHA + "\n"
	}
	sha := named("tree %s", text)
	g.trees[sha] = tree
	return sha
}

// Record makes a commit, and returns its hash. No two are the same, for each has its
// time.
func (g *GitHub) Record(c Commit) string {
	c.SHA = named("commit %d %v", len(g.Commits), c)
	g.Commits[c.SHA] = c
	return c.SHA
}

func named(format string, a ...any) string {
	return fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, format, a...)))
}

func (g *GitHub) getRef(w http.ResponseWriter, r *http.Request) {
	if g.Refs[r.PathValue("ref")] == "" {
		Refuse(w, 404, "Not Found")
		return
	}
	answer(w, 200, g.ref(r.PathValue("ref")))
}

func (g *GitHub) ref(name string) any {
	return map[string]any{"ref": "refs/" + name, "object": map[string]string{"type": "commit", "sha": g.Refs[name]}}
}

func (g *GitHub) matchingRefs(w http.ResponseWriter, r *http.Request) {
	var found []any
	for _, name := range slices.Sorted(maps.Keys(g.Refs)) {
		if strings.HasPrefix(name, r.PathValue("ref")) {
			found = append(found, g.ref(name))
		}
	}
	g.page(w, r, found)
}

func (g *GitHub) createRef(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Ref, SHA string }
	name := read(r, &asked, &asked.Ref)
	if g.Refs[name] != "" {
		Refuse(w, 422, "Reference already exists")
		return
	}
	g.point(w, name, asked.SHA, 201)
}

func (g *GitHub) updateRef(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		SHA   string
		Force bool
	}
	read(r, &asked, nil)
	name := r.PathValue("ref")
	if !asked.Force && !slices.Contains(g.Commits[asked.SHA].Parents, g.Refs[name]) {
		Refuse(w, 422, "Update is not a fast forward")
		return
	}
	g.point(w, name, asked.SHA, 200)
}

func (g *GitHub) point(w http.ResponseWriter, name, sha string, status int) {
	if _, ok := g.Commits[sha]; !ok {
		Refuse(w, 422, "Object does not exist")
		return
	}
	g.Refs[name] = sha
	g.Changed++
	answer(w, status, g.ref(name))
}

func (g *GitHub) deleteRef(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("ref")
	if g.Refs[name] == "" {
		Refuse(w, 422, "Reference does not exist")
		return
	}
	g.DropBranch(strings.TrimPrefix(name, "heads/"))
	g.Changed++
	w.WriteHeader(http.StatusNoContent)
}

// DropBranch closes the pull requests from it, as GitHub does.
func (g *GitHub) DropBranch(branch string) {
	delete(g.Refs, "heads/"+branch)
	for _, p := range g.Pulls {
		if p.Head == branch {
			p.State = "closed"
		}
	}
}

func (g *GitHub) getCommit(w http.ResponseWriter, r *http.Request) {
	c, ok := g.Commits[r.PathValue("sha")]
	if !ok {
		Refuse(w, 404, "Not Found")
		return
	}
	answer(w, 200, shown(c))
}

func shown(c Commit) any {
	parents := []any{}
	for _, parent := range c.Parents {
		parents = append(parents, map[string]string{"sha": parent})
	}
	return map[string]any{"sha": c.SHA, "message": c.Message, "tree": map[string]string{"sha": c.Tree}, "parents": parents}
}

func (g *GitHub) createCommit(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Message, Tree string
		Parents       []string
	}
	read(r, &asked, nil)
	if g.trees[asked.Tree] == nil {
		Refuse(w, 422, "Tree SHA does not exist")
		return
	}
	g.Changed++
	answer(w, 201, shown(g.Commits[g.Record(Commit{Tree: asked.Tree, Message: asked.Message, Parents: asked.Parents})]))
}

func (g *GitHub) getTree(w http.ResponseWriter, r *http.Request) {
	tree, ok := g.trees[r.PathValue("sha")]
	if !ok {
		Refuse(w, 404, "Not Found")
		return
	}
	entries := []any{map[string]string{"path": "chart", "mode": "040000", "type": "tree", "sha": "0"}}
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		entries = append(entries, map[string]string{"path": path, "mode": tree[path].Mode, "type": "blob", "sha": tree[path].SHA})
	}
	answer(w, 200, map[string]any{"sha": r.PathValue("sha"), "tree": entries, "truncated": false})
}

func (g *GitHub) createTree(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Base string `json:"base_tree"`
		Tree []struct{ Path, Mode, Content string }
	}
	read(r, &asked, nil)
	tree := maps.Clone(g.trees[asked.Base])
	for _, entry := range asked.Tree {
		tree[entry.Path] = g.Store(entry.Mode, entry.Content)
	}
	g.Changed++
	answer(w, 201, map[string]string{"sha": g.StoreTree(tree)})
}

func (g *GitHub) listPulls(w http.ResponseWriter, r *http.Request) {
	head, state := strings.TrimPrefix(r.URL.Query().Get("head"), "me:"), r.URL.Query().Get("state")
	var found []any
	for _, p := range slices.Backward(g.Pulls) {
		if (head == "" || p.Head == head) && (state == "all" || p.State == state) {
			found = append(found, g.shownPull(p))
		}
	}
	g.page(w, r, found)
}

func (g *GitHub) shownPull(p *Pull) any {
	labels := []any{}
	for _, label := range p.Labels {
		labels = append(labels, map[string]string{"name": label})
	}
	shown := map[string]any{
		"number": p.Number, "title": p.Title, "body": p.Body, "state": p.State, "labels": labels, "merged_at": nil,
		"html_url": fmt.Sprintf("https://github.com/me/it/pull/%d", p.Number),
		"head":     map[string]string{"ref": p.Head}, "base": map[string]string{"ref": p.Base},
	}
	if p.Merged {
		shown["merged_at"] = "2026-01-02T03:04:05Z"
	}
	return shown
}

func (g *GitHub) createPull(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Title, Body, Head, Base string }
	read(r, &asked, nil)
	for _, p := range g.Pulls {
		if p.Head == asked.Head && p.State == "open" {
			Refuse(w, 422, "A pull request already exists for me:"+asked.Head+".")
			return
		}
	}
	if g.Refs["heads/"+asked.Head] == "" || g.Refs["heads/"+asked.Base] == "" || len(asked.Body) > 65536 {
		Refuse(w, 422, "Validation Failed")
		return
	}
	p := &Pull{Number: len(g.Pulls) + 1, Title: asked.Title, Body: asked.Body, Head: asked.Head, Base: asked.Base, State: "open"}
	g.Pulls = append(g.Pulls, p)
	g.Changed++
	answer(w, 201, g.shownPull(p))
}

func (g *GitHub) editPull(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Title, Body, Base, State string }
	read(r, &asked, nil)
	p := g.numbered(r)
	p.Title, p.Body = cmp.Or(asked.Title, p.Title), cmp.Or(asked.Body, p.Body)
	p.Base, p.State = cmp.Or(asked.Base, p.Base), cmp.Or(asked.State, p.State)
	g.Changed++
	answer(w, 200, g.shownPull(p))
}

func (g *GitHub) addLabels(w http.ResponseWriter, r *http.Request) {
	var asked []string
	read(r, &asked, nil)
	p := g.numbered(r)
	for _, label := range asked {
		if !slices.Contains(p.Labels, label) {
			p.Labels = append(p.Labels, label)
		}
	}
	g.Changed++
	answer(w, 200, g.shownPull(p).(map[string]any)["labels"])
}

func (g *GitHub) numbered(r *http.Request) *Pull {
	n, _ := strconv.Atoi(r.PathValue("number"))
	return g.Pulls[n-1]
}

func (g *GitHub) listWorkflows(w http.ResponseWriter, r *http.Request) {
	var all []any
	for i, found := range g.Workflows {
		all = append(all, map[string]any{"id": i + 1, "path": found.Path, "state": found.State})
	}
	answer(w, 200, map[string]any{"total_count": len(all), "workflows": g.onPage(w, r, all)})
}

func (g *GitHub) enableWorkflow(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	found := g.Workflows[id-1]
	found.State = "active"
	found.Enabled++
	g.Changed++
	w.WriteHeader(http.StatusNoContent)
}

func (g *GitHub) page(w http.ResponseWriter, r *http.Request, all []any) {
	answer(w, 200, g.onPage(w, r, all))
}

// onPage is the part of a list that is asked for; a header says where the next one is.
func (g *GitHub) onPage(w http.ResponseWriter, r *http.Request, all []any) []any {
	number, _ := strconv.Atoi(r.URL.Query().Get("page"))
	first := min((max(1, number)-1)*g.PageSize, len(all))
	last := min(first+g.PageSize, len(all))
	if last < len(all) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?page=%d>; rel="next"`, g.URL, r.URL.Path, max(1, number)+1))
	}
	return append([]any{}, all[first:last]...)
}

// read decodes what is asked; of a ref it returns what follows refs/.
func read(r *http.Request, into any, ref *string) string {
	_ = json.NewDecoder(r.Body).Decode(into)
	if ref == nil {
		return ""
	}
	return strings.TrimPrefix(*ref, "refs/")
}

func answer(w http.ResponseWriter, status int, content any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content)
}

// Refuse answers as GitHub does where something is wrong.
func Refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message})
}

// State is all that people see of the repository: what each branch has beyond main, and
// the pull requests.
func (g *GitHub) State() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(g.Refs)) {
		if name == "heads/main" {
			continue
		}
		beyond, at := 0, g.Refs[name]
		for ; at != g.Refs["heads/main"] && len(g.Commits[at].Parents) > 0; at = g.Commits[at].Parents[0] {
			beyond++
		}
		all = append(all, fmt.Sprintf("%s: %d beyond main: %s", name, beyond, g.difference(name)))
	}
	for _, p := range g.Pulls {
		body := strings.ReplaceAll(p.Body, g.Refs["heads/main"], "MAIN")
		all = append(all, fmt.Sprintf("#%d %s: %s, %s into %s %v: %s", p.Number, p.State, p.Title, p.Head, p.Base, p.Labels, body))
	}
	return all
}

// difference is what a branch has otherwise than main.
func (g *GitHub) difference(name string) string {
	main, tree := g.trees[g.Commits[g.Refs["heads/main"]].Tree], g.trees[g.Commits[g.Refs[name]].Tree]
	var all []string
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		if tree[path] != main[path] {
			all = append(all, fmt.Sprintf("%s %s %q", tree[path].Mode, path, g.contents[tree[path].SHA]))
		}
	}
	return strings.Join(all, ", ")
}
