// Package template holds ledgers that are sent over and over, renumbered, in a chain that holds.
package template

import (
	"crypto/sha256"
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
	hash  int // of the header's hash, which the header follows
	end   int // of the header
}

// Hash is a header's hash.
type Hash = [sha256.Size]byte

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
		at, hash := -1, 0
		for from := 4; from+len(whole) <= min(n, 1<<16); from += 4 {
			if string(bytes[from:from+len(whole)]) == string(whole) {
				at, hash = from+inside, from
				break
			}
		}
		if at < 0 || binary.BigEndian.Uint32(bytes[at:]) != meta.LedgerSequence() {
			return nil, fmt.Errorf("no header found in ledger %d", meta.LedgerSequence())
		}
		end := hash + len(whole) - 4 // behind the header is its extension, which is empty
		all = append(all, Ledger{bytes, at, hash, end})
	}
	return all, nil
}

// Frame makes a RawLedger message of the ledger under that number, behind the one whose header has the hash before.
func (l Ledger) Frame(sequence uint32, before Hash) (*rawledger.Frame, Hash) {
	frame := rawledger.Encode(sequence, l.bytes)
	return frame, l.renumber(frame.Bytes[len(frame.Bytes)-len(l.bytes):], sequence, before)
}

func (l Ledger) renumber(ledger []byte, sequence uint32, before Hash) Hash {
	binary.BigEndian.PutUint32(ledger[l.at:], sequence)
	header := ledger[l.hash+sha256.Size : l.end]
	copy(header[4:], before[:]) // behind the protocol's version
	hash := sha256.Sum256(header)
	copy(ledger[l.hash:], hash[:])
	return hash
}

// Record is the ledger under that number behind its record mark, as core writes it to METADATA_OUTPUT_STREAM.
func (l Ledger) Record(sequence uint32, before Hash) ([]byte, Hash) {
	record := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(l.bytes)), 1<<31|uint32(len(l.bytes)))
	record = append(record, l.bytes...)
	return record, l.renumber(record[4:], sequence, before)
}

// Size is the ledger's length in bytes.
func (l Ledger) Size() int { return len(l.bytes) }
