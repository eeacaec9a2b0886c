package proposal

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
)

// treeTrailer ends the messages of our commits, with the tree that the commit has. A
// commit that a person has made or amended does not fit it.
const treeTrailer = "Proposed-Tree: "

// commit is the last one of a branch.
type commit struct {
	sha, tree, message string
	parents            []string
}

func (c *commit) isOurs() bool {
	return len(c.parents) == 1 && strings.HasSuffix(strings.TrimSpace(c.message), "\n"+treeTrailer+c.tree)
}

// branch reads a branch; nil where there is none.
func (r *Repository) branch(ctx context.Context, name string) (*commit, error) {
	ref, response, err := r.client.Git.GetRef(ctx, r.owner, r.name, "heads/"+name)
	if err != nil && response != nil && response.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, r.explain("read the branch "+name, err)
	}
	if ref.GetObject().GetSHA() == "" {
		return nil, r.malformed("the branch " + name)
	}
	read, _, err := r.client.Git.GetCommit(ctx, r.owner, r.name, ref.GetObject().GetSHA())
	if err != nil {
		return nil, r.explain("read the last commit of "+name, err)
	}
	c := &commit{sha: read.GetSHA(), tree: read.GetTree().GetSHA(), message: read.GetMessage()}
	for _, parent := range read.Parents {
		c.parents = append(c.parents, parent.GetSHA())
	}
	if c.sha != ref.GetObject().GetSHA() || c.tree == "" {
		return nil, r.malformed("the last commit of " + name)
	}
	return c, nil
}

// file is one of a tree: its mode, as git has it, and its content's name.
type file struct{ mode, sha string }

// files lists a tree to its leaves.
func (r *Repository) files(ctx context.Context, sha string) (map[string]file, error) {
	listed, _, err := r.client.Git.GetTree(ctx, r.owner, r.name, sha, true)
	if err != nil {
		return nil, r.explain("read the tree "+sha, err)
	}
	if listed.GetTruncated() {
		return nil, fmt.Errorf("%s has more files than GitHub lists at once: propose by hand", r)
	}
	files := map[string]file{}
	for _, entry := range listed.Entries {
		if entry.GetType() != "tree" {
			files[entry.GetPath()] = file{entry.GetMode(), entry.GetSHA()}
		}
	}
	if len(files) == 0 {
		return nil, r.malformed("the tree " + sha)
	}
	return files, nil
}

// tree is what a branch should have.
type tree struct {
	base  *commit
	edits []*github.TreeEntry // in order of paths; none where the base has all of it
	files map[string]file     // the base's with the edits
}

// edited is the base's tree with some files changed or added; one that exists keeps its
// mode.
func (r *Repository) edited(ctx context.Context, base *commit, contents map[string][]byte) (tree, error) {
	files, err := r.files(ctx, base.tree)
	if err != nil {
		return tree{}, err
	}
	t := tree{base: base, files: files}
	for _, path := range slices.Sorted(maps.Keys(contents)) {
		now, exists := files[path]
		then := file{mode: "100644", sha: blobName(contents[path])}
		if exists {
			then.mode = now.mode
		}
		if now == then {
			continue
		}
		t.files[path] = then
		t.edits = append(t.edits, &github.TreeEntry{
			Path: github.String(path), Mode: github.String(then.mode), Type: github.String("blob"),
			Content: github.String(string(contents[path])),
		})
	}
	return t, nil
}

// blobName is how git names a content.
func blobName(content []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...))
	return hex.EncodeToString(sum[:])
}

// push gives the branch its one commit beyond the base, and reports whether there was
// anything to push.
func (r *Repository) push(ctx context.Context, p Proposal, head *commit, wanted tree) (bool, error) {
	if head != nil && head.parents[0] == wanted.base.sha {
		files, err := r.files(ctx, head.tree)
		if err != nil {
			return false, err
		}
		if maps.Equal(files, wanted.files) {
			return false, nil
		}
	}
	sha, err := r.commit(ctx, p.Title, wanted)
	if err != nil {
		return false, err
	}
	return true, r.point(ctx, p.Branch, sha, head != nil)
}

// commit makes one, which no branch has yet. Who made it is left to GitHub, which signs
// it then.
func (r *Repository) commit(ctx context.Context, title string, wanted tree) (string, error) {
	made, _, err := r.client.Git.CreateTree(ctx, r.owner, r.name, wanted.base.tree, wanted.edits)
	if err != nil {
		return "", r.explain("write the changed files", err)
	}
	if made.GetSHA() == "" {
		return "", r.malformed("the tree that was written")
	}
	message := title + "\n\n" + treeTrailer + made.GetSHA()
	committed, _, err := r.client.Git.CreateCommit(ctx, r.owner, r.name, &github.Commit{
		Message: &message, Tree: made, Parents: []*github.Commit{{SHA: &wanted.base.sha}},
	}, nil)
	if err != nil {
		return "", r.explain("write the commit", err)
	}
	if committed.GetSHA() == "" {
		return "", r.malformed("the commit that was written")
	}
	return committed.GetSHA(), nil
}

// point makes a branch, or moves it from one of our commits to another.
func (r *Repository) point(ctx context.Context, branch, sha string, exists bool) error {
	ref := &github.Reference{Ref: github.String("refs/heads/" + branch), Object: &github.GitObject{SHA: &sha}}
	var pointed *github.Reference
	var err error
	if exists {
		pointed, _, err = r.client.Git.UpdateRef(ctx, r.owner, r.name, ref, true)
	} else {
		pointed, _, err = r.client.Git.CreateRef(ctx, r.owner, r.name, ref)
	}
	if err == nil && pointed.GetObject().GetSHA() != sha {
		err = r.malformed("the branch that was pushed")
	}
	if err == nil {
		return nil
	}
	// A request whose answer was lost has been carried out all the same.
	if now, readErr := r.branch(ctx, branch); readErr == nil && now != nil && now.sha == sha {
		return nil
	}
	return r.explain("push the branch "+branch, err)
}

func (r *Repository) deleteBranch(ctx context.Context, branch string) error {
	response, err := r.client.Git.DeleteRef(ctx, r.owner, r.name, "heads/"+branch)
	if err == nil && response.StatusCode != http.StatusNoContent {
		err = r.malformed("the branch that was deleted")
	}
	if err == nil {
		return nil
	}
	if now, readErr := r.branch(ctx, branch); readErr == nil && now == nil {
		return nil
	}
	return r.explain("delete the branch "+branch, err)
}
