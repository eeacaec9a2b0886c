package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
)

// writeArchive writes a chart into dest as NAME-VERSION.tgz, and returns its path. The
// same chart and time give the same bytes, with one release of Go: Helm's own archives
// hold the time at which they were made.
func writeArchive(c *helm.Chart, dest string, at time.Time) (string, error) {
	files, err := archivedFiles(c)
	if err != nil {
		return "", err
	}
	content, err := pack(c.Name(), files, at)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return "", fmt.Errorf("create the folder for the chart's archive: %w", err)
	}
	archive := filepath.Join(dest, c.Name()+"-"+c.Metadata.Version+".tgz")
	if err := os.WriteFile(archive, content, 0o644); err != nil {
		return "", fmt.Errorf("write the chart's archive: %w", err)
	}
	return archive, nil
}

// archivedFiles are what Helm puts into the archive of a chart, subcharts included,
// sorted by name.
func archivedFiles(c *helm.Chart) ([]*loader.BufferedFile, error) {
	folder, err := os.MkdirTemp("", "chart-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the chart's archive: %w", err)
	}
	defer os.RemoveAll(folder)
	saved, err := chartutil.Save(c, folder)
	if err != nil {
		return nil, fmt.Errorf("write the chart's archive: %w", err)
	}
	content, err := os.ReadFile(saved)
	if err != nil {
		return nil, fmt.Errorf("read the chart's archive: %w", err)
	}
	files, err := loader.LoadArchiveFiles(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("read the chart's archive: %w", err)
	}
	slices.SortFunc(files, func(a, b *loader.BufferedFile) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// pack files into a folder of a compressed archive, all of one time and mode.
func pack(folder string, files []*loader.BufferedFile, at time.Time) ([]byte, error) {
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for _, file := range files {
		header := &tar.Header{
			Name: folder + "/" + file.Name, Mode: 0o644, Size: int64(len(file.Data)),
			ModTime: at.UTC().Truncate(time.Second), Format: tar.FormatPAX,
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", file.Name, err)
		}
		if _, err := archive.Write(file.Data); err != nil {
			return nil, fmt.Errorf("pack %s: %w", file.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("pack the chart: %w", err)
	}
	if err := zipped.Close(); err != nil {
		return nil, fmt.Errorf("compress the chart: %w", err)
	}
	return packed.Bytes(), nil
}

// maxArchive is far above any archive of ours, in bytes; Helm bounds what one unpacks to.
const maxArchive = 16 << 20

// unpack reads a chart's archive, and the time that its files have.
func unpack(content []byte) (*helm.Chart, time.Time, error) {
	if len(content) > maxArchive {
		return nil, time.Time{}, fmt.Errorf("it has %d bytes, and a chart at most %d", len(content), maxArchive)
	}
	c, err := loader.LoadArchive(bytes.NewReader(content))
	if err != nil {
		return nil, time.Time{}, err
	}
	if err := c.Validate(); err != nil {
		return nil, time.Time{}, err
	}
	at, err := packedAt(content)
	return c, at, err
}

// packedAt is the time of an archive's first file.
func packedAt(content []byte) (time.Time, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return time.Time{}, err
	}
	header, err := tar.NewReader(zipped).Next()
	if err != nil {
		return time.Time{}, err
	}
	return header.ModTime.UTC(), nil
}
