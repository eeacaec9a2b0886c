package frontend

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEventually(t *testing.T) {
	tries := 0
	assert.NoError(t, Eventually(t.Context(), func() error {
		if tries++; tries < 2 {
			return errors.New("not yet")
		}
		return nil
	}))
	assert.Equal(t, 2, tries)
}

func TestEventuallyGivesUpOnWhatIsFinal(t *testing.T) {
	tries, why := 0, errors.New("it has failed")
	err := Eventually(t.Context(), func() error {
		tries++
		return Final{why}
	})
	assert.ErrorIs(t, err, why)
	assert.Equal(t, 1, tries)
}
