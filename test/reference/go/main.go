// reference reads ledgers with go-stellar-sdk's ingest, and writes what this project's dataset ttl has to give.
//
//	reference rows FILE...   a line for each change of a TTL entry, in the columns of the dataset, separated by tabs
//	reference state FILE...  the contract data that all ledgers together leave, live and expired
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 3 || (os.Args[1] != "rows" && os.Args[1] != "state") {
		fmt.Fprintln(os.Stderr, "usage: reference rows|state FILE...")
		os.Exit(2)
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	folded := newState()
	for _, path := range os.Args[2:] {
		ledgers, err := ledgersOf(path)
		for i := 0; err == nil && i < len(ledgers); i++ {
			var lines []string
			if os.Args[1] == "state" {
				err = folded.fold(ledgers[i])
			} else {
				lines, err = ttlRows(ledgers[i])
			}
			for _, line := range lines {
				fmt.Fprintln(out, line)
			}
		}
		if err != nil {
			out.Flush()
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
	}
	for _, line := range folded.lines() {
		fmt.Fprintln(out, line)
	}
}
