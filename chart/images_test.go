package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is read from the values is what the manifests pull.
func TestImageAt(t *testing.T) {
	secret := map[string]any{"existingSecret": "s3", "enabled": true, "bucket": "b", "endpoint": "https://s3.example.org"}
	values := map[string]any{"backup": map[string]any{"enabled": true, "s3": secret}}
	rendered, err := Render(Name, values)
	require.NoError(t, err)
	for _, path := range []string{"image", "backup.s3.image", "mariadb.image"} {
		image, err := ImageAt(Name, values, path)
		require.NoError(t, err)
		assert.Contains(t, rendered, "image: docker.io/"+image.Repository+":"+image.Tag+"\n", path)
	}

	secret["image"] = map[string]any{"tag": "1.99"}
	image, err := ImageAt(Name, values, "backup.s3.image")
	require.NoError(t, err)
	assert.Equal(t, Image{"rclone/rclone", "1.99"}, image)
	_, err = ImageAt(Name, values, "backup.image")
	assert.ErrorContains(t, err, "has no image at backup.image")
}
