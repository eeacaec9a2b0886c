package changes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// texted is a file with a text.
func texted(text string) file { return file{mode: 0o644, text: text, readable: true} }

func TestFilesAreCompared(t *testing.T) {
	long := strings.Repeat("a\n", maxDiffLines)
	for name, test := range map[string]struct {
		a, b file
		want FileChange
	}{
		"a line":          {texted("a\nb\n"), texted("a\nc\n"), FileChange{Diff: "@@ -1,2 +1,2 @@\n a\n-b\n+c\n", Plus: 1, Minus: 1}},
		"emptied":         {texted("a\n"), texted(""), FileChange{Diff: "@@ -1 +0,0 @@\n-a\n", Minus: 1}},
		"only its end":    {texted("a\n"), texted("a"), FileChange{Remark: "only the end of its last line"}},
		"only comments":   {texted("a\n# b\n"), texted("a\n\n# c\n"), FileChange{Diff: "@@ -1,2 +1,3 @@\n a\n-# b\n+\n+# c\n", Plus: 2, Minus: 1, Remark: "only comments"}},
		"only years":      {texted("# Copyright 2002-2025, X\n"), texted("# Copyright 2002-2026, X\n"), FileChange{Trivial: true}},
		"years and more":  {texted("(c) Copyright 2002\na\n"), texted("(c) Copyright 2002-2026\nb\n"), FileChange{Diff: "@@ -1,2 +1,2 @@\n (c) Copyright 2002-2026\n-a\n+b\n", Plus: 1, Minus: 1}},
		"another year":    {texted("SINCE = 2025\n"), texted("SINCE = 2026\n"), FileChange{Diff: "@@ -1 +1 @@\n-SINCE = 2025\n+SINCE = 2026\n", Plus: 1, Minus: 1}},
		"years and mode":  {texted("Copyright 2025\n"), file{mode: 0o600, text: "Copyright 2026\n", readable: true}, FileChange{Remark: "mode 0600 instead of 0644"}},
		"a long file":     {texted("b\n"), texted(long), FileChange{Remark: "too long to be compared line by line"}},
		"not a text":      {texted("b\n"), file{mode: 0o644, size: 3, sum: [32]byte{1}}, FileChange{Remark: "other content, which is not shown"}},
		"another link":    {file{link: "a"}, file{link: "b"}, FileChange{Remark: "links to b instead of a"}},
		"no link anymore": {file{link: "a"}, texted("b\n"), FileChange{Remark: "a file instead of a link to a"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := compareFiles(map[string]file{"/etc/x": test.a}, map[string]file{"/etc/x": test.b}, isSetting)
			test.want.Path, test.want.Kind = "/etc/x", Changed
			assert.Equal(t, []FileChange{test.want}, found)
		})
	}
}

func TestWhatIsLookedAt(t *testing.T) {
	for path, want := range map[string]bool{
		"/etc/one/oned.conf": true, "/etc/bash_completion.d/opennebula": false, "/var/lib/one/remotes/etc/vmm/kvm/kvmrc": true, "/etc/sudoers.d/opennebula": true,
		"/usr/lib/systemd/system/a.service": true, "/etc/systemd/system/a.service": true, "/usr/lib/tmpfiles.d/a.conf": true,
		"/usr/lib/one/ruby/onedb/database_schema.rb": true, "/usr/lib/one/ruby/onedb/local/7.0.0_to_7.2.0.rbm": true,
		"/usr/lib/one/ruby/onedb/local/7.0.0_to_7.2.0.txt": false, "/usr/lib/one/ruby/onedb/fsck.rb": false,
		"/var/lib/one/remotes/vmm/kvm/deploy": false, "/usr/bin/oned": false, "/etcetera": false,
	} {
		assert.Equal(t, want, matters(path), path)
	}
}
