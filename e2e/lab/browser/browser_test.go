package browser

import (
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A page as Sunstone's login and console are.
const page = `<!DOCTYPE html>
<form onsubmit="show(); return false"><input name="user"><input name="token" type="password"><button></button></form>
<div data-cy="header-user-button" style="display: none"></div><p tabindex="0"><canvas width="40" height="20"></canvas></p>
<script>
const header = document.querySelector('div'), pen = document.querySelector('canvas').getContext('2d')
function show() { header.textContent = document.forms[0].user.value; header.style.display = 'block' }
document.querySelector('p').addEventListener('keydown', e => { if (e.key === 'x') { pen.fillStyle = '#010203'; pen.fillRect(0, 0, 10, 1) } })
</script>`

func TestBrowserDoesAsAPerson(t *testing.T) {
	b, err := Start(t.Context())
	if errors.Is(err, ErrNone) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(b.Stop)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer server.Close()

	require.NoError(t, b.Login(server.URL, "oneadmin", "secret"))
	name, err := b.Text(`[data-cy="header-user-button"]`)
	require.NoError(t, err)
	assert.Equal(t, "oneadmin", name)

	dark, err := b.Brightness()
	require.NoError(t, err)
	assert.Zero(t, dark)
	require.NoError(t, b.Type(`[tabindex="0"]:has(canvas)`, "x"))
	lit, err := b.Brightness()
	require.NoError(t, err)
	assert.EqualValues(t, 10*(1+2+3), lit)

	picture := filepath.Join(t.TempDir(), "page.png")
	require.NoError(t, b.Picture(picture))
	file, err := os.Open(picture)
	require.NoError(t, err)
	defer file.Close()
	_, err = png.Decode(file)
	assert.NoError(t, err)
}

func TestNoBrowserIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context())
	assert.ErrorIs(t, err, ErrNone)
}
