package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// stage is one row of the report.
type stage struct {
	name string
	took time.Duration
	what string
}

// printTable writes stages with their seconds.
func printTable(w io.Writer, stages []stage) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "stage\tseconds\twhat")
	total := time.Duration(0)
	for _, s := range stages {
		fmt.Fprintf(table, "%s\t%7.1f\t%s\n", s.name, s.took.Seconds(), s.what)
		total += s.took
	}
	fmt.Fprintf(table, "total\t%7.1f\t\n", total.Seconds())
	_ = table.Flush()
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
