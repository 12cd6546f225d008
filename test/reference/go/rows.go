package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stellar/go-stellar-sdk/ingest"
	"github.com/stellar/go-stellar-sdk/strkey"
	"github.com/stellar/go-stellar-sdk/xdr"
)

const noTransaction = "4294967295"

var networks = []string{
	"Public Global Stellar Network ; September 2015",
	"Test SDF Network ; September 2015",
	"Standalone Network ; February 2017",
	"Test SDF Future Network ; October 2022",
	"(V) (;,,;) (V)",
	"load test network",
	"Apply Load",
}

// changesOf reads all changes of a ledger in the order of ingest, whichever of the known networks it is of.
func changesOf(ledger xdr.LedgerCloseMeta) ([]ingest.Change, error) {
	var last error
	for _, network := range networks {
		reader, err := ingest.NewLedgerChangeReaderFromLedgerCloseMeta(network, ledger)
		if err != nil {
			last = err
			continue
		}
		changes, err := allOf(reader)
		if err == nil {
			return changes, nil
		}
		last = err
	}
	return nil, last
}

func allOf(reader *ingest.LedgerChangeReader) ([]ingest.Change, error) {
	var changes []ingest.Change
	for {
		change, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return changes, nil
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
}

// owner is what a ledger tells of the entry that a TTL is of.
type owner struct{ contract, key, durability string }

func hashOf(key xdr.LedgerKey) (xdr.Hash, error) {
	bytes, err := key.MarshalBinary()
	return sha256.Sum256(bytes), err
}

// noteOwner keeps contract data that has rows: no nonces, and of contracts alone.
func noteOwner(owners map[xdr.Hash]owner, key xdr.LedgerKey) error {
	data, ok := key.GetContractData()
	if !ok || data.Key.Type == xdr.ScValTypeScvLedgerKeyNonce || data.Contract.Type != xdr.ScAddressTypeScAddressTypeContract {
		return nil
	}
	hash, err := hashOf(key)
	if err != nil {
		return err
	}
	id := data.Contract.MustContractId()
	contract, err := strkey.Encode(strkey.VersionByteContract, id[:])
	if err != nil {
		return err
	}
	bytes, err := data.Key.MarshalBinary()
	owners[hash] = owner{contract, base64.StdEncoding.EncodeToString(bytes), data.Durability.String()}
	return err
}

func entryOf(change ingest.Change) *xdr.LedgerEntry {
	if change.Post != nil {
		return change.Post
	}
	return change.Pre
}

var words = map[xdr.LedgerEntryChangeType]string{
	xdr.LedgerEntryChangeTypeLedgerEntryCreated:  "created",
	xdr.LedgerEntryChangeTypeLedgerEntryUpdated:  "extended",
	xdr.LedgerEntryChangeTypeLedgerEntryRemoved:  "removed",
	xdr.LedgerEntryChangeTypeLedgerEntryRestored: "restored",
}

func liveUntil(entry *xdr.LedgerEntry) string {
	if entry == nil {
		return ""
	}
	return fmt.Sprint(uint32(entry.Data.MustTtl().LiveUntilLedgerSeq))
}

// ttlRows gives one line for each change of a TTL entry, with the columns of the dataset ttl.
func ttlRows(ledger xdr.LedgerCloseMeta) ([]string, error) {
	changes, err := changesOf(ledger)
	if err != nil {
		return nil, err
	}
	evicted, err := ledger.EvictedLedgerKeys()
	if err != nil && ledger.V > 0 {
		return nil, err
	}
	owners := map[xdr.Hash]owner{}
	for _, change := range changes {
		key, err := change.LedgerKey()
		if err != nil {
			return nil, err
		}
		if err := noteOwner(owners, key); err != nil {
			return nil, err
		}
	}
	for _, key := range evicted {
		if err := noteOwner(owners, key); err != nil {
			return nil, err
		}
	}
	closedAt := time.Unix(ledger.LedgerCloseTime(), 0).UTC().Format(time.RFC3339)
	counts := map[uint32]int{}
	var lines []string
	add := func(hash xdr.Hash, until, before, word, tx, index, operation string, transaction uint32) {
		of := owners[hash]
		order := index
		if index == "" {
			order = noTransaction
		}
		lines = append(lines, strings.Join([]string{
			fmt.Sprint(ledger.LedgerSequence()), closedAt, hex.EncodeToString(hash[:]), until, before, word,
			tx, index, order, operation, fmt.Sprint(counts[transaction]), of.contract, of.key, of.durability,
		}, "\t"))
		counts[transaction]++
	}
	for _, change := range changes {
		if change.Type != xdr.LedgerEntryTypeTtl {
			continue
		}
		var tx, index, operation string
		var transaction uint32
		if change.Transaction != nil {
			transaction = change.Transaction.Index
			tx, index = hex.EncodeToString(change.Transaction.Hash[:]), fmt.Sprint(transaction)
		}
		if change.Reason == ingest.LedgerEntryChangeReasonOperation {
			operation = fmt.Sprint(change.OperationIndex)
		}
		hash := entryOf(change).Data.MustTtl().KeyHash
		add(hash, liveUntil(change.Post), liveUntil(change.Pre), words[change.ChangeType], tx, index, operation, transaction)
	}
	for _, key := range evicted {
		if ttl, ok := key.GetTtl(); ok {
			add(ttl.KeyHash, "", "", "evicted", "", "", "", 0)
		}
	}
	return lines, nil
}
