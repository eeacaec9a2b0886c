//go:build tools

// Package tools names the command that tests build from this module.
package tools

import _ "github.com/sigstore/cosign/v3/cmd/cosign"
