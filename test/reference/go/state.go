package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/stellar/go-stellar-sdk/xdr"
)

// state is what a reader of all changes knows of the entries: contract data, and until when each key lives.
type state struct {
	data  map[xdr.Hash]string
	until map[xdr.Hash]uint32
	last  uint32
}

func newState() *state {
	return &state{data: map[xdr.Hash]string{}, until: map[xdr.Hash]uint32{}}
}

// fold takes one ledger's changes.
func (s *state) fold(ledger xdr.LedgerCloseMeta) error {
	changes, err := changesOf(ledger)
	if err != nil {
		return err
	}
	s.last = ledger.LedgerSequence()
	for _, change := range changes {
		entry := entryOf(change)
		if ttl, ok := entry.Data.GetTtl(); ok {
			if change.Post == nil {
				delete(s.until, ttl.KeyHash)
			} else {
				s.until[ttl.KeyHash] = uint32(ttl.LiveUntilLedgerSeq)
			}
			continue
		}
		data, ok := entry.Data.GetContractData()
		if !ok || data.Key.Type == xdr.ScValTypeScvLedgerKeyNonce || data.Contract.Type != xdr.ScAddressTypeScAddressTypeContract {
			continue
		}
		key, err := entry.LedgerKey()
		if err != nil {
			return err
		}
		hash, err := hashOf(key)
		if err != nil {
			return err
		}
		if change.Post == nil {
			delete(s.data, hash)
			continue
		}
		val, err := data.Val.MarshalBinary()
		if err != nil {
			return err
		}
		sum := sha256.Sum256(val)
		s.data[hash] = hex.EncodeToString(sum[:])
	}
	evicted, _ := ledger.EvictedLedgerKeys()
	for _, key := range evicted {
		if ttl, ok := key.GetTtl(); ok {
			delete(s.until, ttl.KeyHash)
			continue
		}
		hash, err := hashOf(key)
		if err != nil {
			return err
		}
		delete(s.data, hash)
	}
	return nil
}

// lines has one line an entry, sorted: key hash, sha256 of the value's XDR, live-until ledger, live or expired.
func (s *state) lines() []string {
	var lines []string
	for hash, val := range s.data {
		until, ok := s.until[hash]
		word := "unknown"
		if ok && until >= s.last {
			word = "live"
		} else if ok {
			word = "expired"
		}
		lines = append(lines, fmt.Sprintf("%s\t%s\t%d\t%s", hex.EncodeToString(hash[:]), val, until, word))
	}
	sort.Strings(lines)
	return lines
}
