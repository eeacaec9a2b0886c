// Package suite passes and fails, for those who read it.
package suite

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGood(t *testing.T) { t.Run("part", func(*testing.T) {}) }

func TestSkipped(t *testing.T) { t.Skip("for nothing") }

func TestUnequal(t *testing.T) {
	t.Run("part", func(t *testing.T) {
		assert.Equal(t, 1, 2, "counted")
		assert.Equal(t, 3, 4)
	})
}

func TestError(t *testing.T) {
	t.Log("some words")
	require.NoError(t, errors.New("install opennebula: not ready: database-0"))
}

func TestMessage(t *testing.T) {
	require.NoError(t, errors.New("install opennebula: too late"), "not ready: database-0")
}

func TestPlain(t *testing.T) { t.Error("plainly wrong") }

func TestHangs(*testing.T) { select {} }
