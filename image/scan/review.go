package scan

import (
	"errors"
	"io"
	"time"
)

// Review weighs what scanners found in an image against the excuses of a folder, writes
// what came of it as text, and fails unless that passes. A folder that is not there is
// fs.ErrNotExist.
func Review(w io.Writer, image string, reports []Report, excuses string, now time.Time, options ...Option) error {
	written, err := ReadExcuses(excuses, image)
	if err != nil {
		return err
	}
	verdict, err := Judge(image, reports, written, now, options...)
	if err != nil {
		return err
	}
	if err := verdict.Text(w); err != nil {
		return err
	}
	if !verdict.Passed() {
		return errors.New("the scan did not pass: what to do is said above, with what was found")
	}
	return nil
}
