package main

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
)

// finding is something that is wrong, and its repair if there is one.
type finding struct {
	text   string
	repair func() error
}

// fsck ends with 1 whenever something was wrong, even if nothing is any more.
func (d *onedb) fsck(ctx context.Context, _ []string) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	findings, err := d.find(ctx)
	if err != nil {
		return err
	}
	repaired := 0
	for _, f := range findings {
		fmt.Println("[ERROR] " + f.text)
		if f.repair == nil {
			continue
		}
		if !d.dry {
			if err := f.repair(); err != nil {
				return err
			}
		}
		repaired++
	}
	fmt.Printf("\nTotal errors found: %d\n", len(findings))
	if d.dry {
		fmt.Printf("Total repairable errors: %d\nTotal unrepairable errors: %d\nNothing was changed.\n", repaired, len(findings)-repaired)
	} else {
		fmt.Printf("Total errors repaired: %d\nTotal errors unrepaired: %d\n", repaired, len(findings)-repaired)
	}
	if len(findings) > 0 {
		return exit{code: 1}
	}
	return nil
}

// ready to be checked is a database of this release; to be repaired, also one
// that nothing uses, after a backup.
func (d *onedb) ready(ctx context.Context) error {
	shared, local, err := d.versions(ctx)
	if err != nil {
		return exit{255, err.Error()} // the code of version is not fsck's
	}
	if compare(shared, local) != same {
		return fmt.Errorf("the database has the schemas %s (shared) and %s (local); this fsck knows %s only", shared, local, schema())
	}
	if d.dry {
		return nil
	}
	if err := d.requireStopped(); err != nil {
		return err
	}
	return d.dump(ctx, d.backup)
}

func (d *onedb) find(ctx context.Context) (all []finding, err error) {
	for _, pool := range slices.Concat(sharedPools, localPools) {
		rows, err := d.store.rows(ctx, pool)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if f := d.look(ctx, pool, r); f.text != "" {
				all = append(all, f)
			}
		}
	}
	if os.Getenv("STANDIN_FSCK_FAIL") == "1" {
		all = append(all, finding{text: "STANDIN_FSCK_FAIL asks for an error that stays"})
	}
	return all, nil
}

// look at one row.
func (d *onedb) look(ctx context.Context, pool string, r row) (f finding) {
	var document struct {
		Name string `xml:"NAME"`
	}
	err := xml.Unmarshal([]byte(r.body), &document)
	switch {
	case err != nil:
		f.text = fmt.Sprintf("%s %d does not parse: %v", pool, r.id, err)
	case document.Name == "" && pool == "user_pool":
		f.text = fmt.Sprintf("user %d has no NAME", r.id)
		f.repair = func() error {
			var u user
			if err := d.store.get(ctx, pool, r.id, &u); err != nil {
				return err
			}
			u.Name = cmp.Or(r.name, fmt.Sprintf("user-%d", r.id))
			return d.store.put(ctx, pool, r.id, u.Name, u)
		}
	}
	if err != nil && pool == "vm_pool" {
		f.repair = func() error {
			return d.store.put(ctx, pool, r.id, r.name, vm{ID: r.id, Name: r.name, State: vmDone})
		}
	}
	return f
}
