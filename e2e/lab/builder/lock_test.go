package builder

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLockWaits(t *testing.T) {
	cache, said := filepath.Join(t.TempDir(), "cache"), 0
	say := func(string, ...any) { said++ }
	first, err := takeLock(t.Context(), cache, say)
	require.NoError(t, err)
	assert.Zero(t, said, "a free cache is taken in silence")

	time.AfterFunc(500*time.Millisecond, first.release)
	second, err := takeLock(t.Context(), cache, say)
	require.NoError(t, err)
	defer second.release()
	assert.Equal(t, 1, said)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = takeLock(ctx, cache, say)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "wait for the end of another build, which uses "+cache)
}
