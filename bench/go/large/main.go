// large makes a ledger of one of a load test: its transactions that change contract data, over and over, until it has so
// many changes. Envelopes stand in it once: each result names its envelope by hash.
//
//	large [-rows N] FROM TO
//
// Both are files of frames: 4-byte big-endian length, then one LedgerCloseMeta.
package main

import (
	"encoding/binary"
	"flag"
	"log"
	"os"

	"github.com/stellar/go-stellar-sdk/xdr"
)

func main() {
	rows := flag.Int("rows", 12_000, "changes of contract data of a ledger, at least")
	flag.Parse()
	file, err := os.ReadFile(flag.Arg(0))
	check(err)
	var made []byte
	for len(file) > 0 {
		end := 4 + int(binary.BigEndian.Uint32(file))
		var meta xdr.LedgerCloseMeta
		check(meta.UnmarshalBinary(file[4:end]))
		file = file[end:]
		multiply(meta.V2, *rows)
		bytes, err := meta.MarshalBinary()
		check(err)
		made = binary.BigEndian.AppendUint32(made, uint32(len(bytes)))
		made = append(made, bytes...)
	}
	check(os.WriteFile(flag.Arg(1), made, 0o644))
}

func multiply(meta *xdr.LedgerCloseMetaV2, rows int) {
	var transactions []xdr.TransactionResultMetaV1
	made := 0
	for _, transaction := range meta.TxProcessing { // all of them once: the network is known by any envelope's result
		if changes(transaction) > 0 {
			transactions = append(transactions, transaction)
			made += changes(transaction)
		}
	}
	if len(transactions) == 0 {
		log.Fatal("no transaction of the ledger changes contract data")
	}
	for n := 0; made < rows; n++ {
		transaction := transactions[n%len(transactions)]
		meta.TxProcessing = append(meta.TxProcessing, transaction)
		made += changes(transaction)
	}
}

// changes counts changes of contract data that make a row each.
func changes(transaction xdr.TransactionResultMetaV1) int {
	count := 0
	for _, operation := range transaction.TxApplyProcessing.V4.Operations {
		for _, change := range operation.Changes {
			entry := change.Updated
			if entry == nil {
				entry = change.Created
			}
			if entry != nil && entry.Data.Type == xdr.LedgerEntryTypeContractData {
				count++
			}
		}
	}
	return count
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
