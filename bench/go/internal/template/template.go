// Package template holds ledgers that are sent over and over, renumbered.
package template

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/stellar/go-stellar-sdk/xdr"

	"bench/internal/rawledger"
)

// Ledger is one LedgerCloseMeta that can be sent under any number.
type Ledger struct {
	bytes []byte
	at    int // of header.ledgerSeq
}

// Load reads a file of frames: 4-byte big-endian length, then one LedgerCloseMeta, over and over.
func Load(path string) ([]Ledger, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []Ledger
	for len(file) > 0 {
		n := int(binary.BigEndian.Uint32(file))
		bytes := file[4 : 4+n]
		file = file[4+n:]
		var meta xdr.LedgerCloseMeta
		if err := meta.UnmarshalBinary(bytes); err != nil {
			return nil, err
		}
		header := meta.LedgerHeaderHistoryEntry()
		whole, err := header.MarshalBinary()
		if err != nil {
			return nil, err
		}
		value, err := header.Header.ScpValue.MarshalBinary()
		if err != nil {
			return nil, err
		}
		// hash, version, previous hash, value, two hashes; the header ends the same way in every version of the meta
		inside := 32 + 4 + 32 + len(value) + 32 + 32
		at := -1
		for from := 4; from+len(whole) <= min(n, 1<<16); from += 4 {
			if string(bytes[from:from+len(whole)]) == string(whole) {
				at = from + inside
				break
			}
		}
		if at < 0 || binary.BigEndian.Uint32(bytes[at:]) != meta.LedgerSequence() {
			return nil, fmt.Errorf("no header found in ledger %d", meta.LedgerSequence())
		}
		all = append(all, Ledger{bytes, at})
	}
	return all, nil
}

// Frame makes a RawLedger message of the ledger under that number.
func (l Ledger) Frame(sequence uint32) *rawledger.Frame {
	frame := rawledger.Encode(sequence, l.bytes)
	binary.BigEndian.PutUint32(frame.Bytes[len(frame.Bytes)-len(l.bytes)+l.at:], sequence)
	return frame
}

// Record is the ledger under that number behind its record mark, as core writes it to METADATA_OUTPUT_STREAM.
func (l Ledger) Record(sequence uint32) []byte {
	record := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(l.bytes)), 1<<31|uint32(len(l.bytes)))
	record = append(record, l.bytes...)
	binary.BigEndian.PutUint32(record[4+l.at:], sequence)
	return record
}

// Size is the ledger's length in bytes.
func (l Ledger) Size() int { return len(l.bytes) }
