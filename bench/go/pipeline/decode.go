package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/stellar/go-stellar-sdk/ingest"
	"github.com/stellar/go-stellar-sdk/xdr"

	"bench/internal/rows"
)

// The same rules as in ../reader: the whole ledger into objects, ingest's LedgerChangeReader over them.
type decoder struct {
	passphrase string
	assets     *rows.AssetFinder
	found      []rows.Row
}

func (d *decoder) Decode(meta xdr.LedgerCloseMeta, into *rows.Builder) error {
	ledger := rows.Ledger{
		Sequence:  meta.LedgerSequence(),
		ClosedAt:  meta.LedgerCloseTime(),
		LiveUntil: map[[32]byte]uint32{},
	}
	reader, err := ingest.NewLedgerChangeReaderFromLedgerCloseMeta(d.passphrase, meta)
	if err != nil {
		return err
	}
	d.found = d.found[:0]
	for {
		change, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch change.Type {
		case xdr.LedgerEntryTypeContractData:
			if err := d.row(&change); err != nil {
				return err
			}
		case xdr.LedgerEntryTypeTtl:
			if change.Post != nil {
				ttl := change.Post.Data.Ttl
				ledger.LiveUntil[ttl.KeyHash] = max(ledger.LiveUntil[ttl.KeyHash], uint32(ttl.LiveUntilLedgerSeq))
			}
		}
	}
	into.Append(&ledger, d.found)
	return reader.Close()
}

func (d *decoder) row(change *ingest.Change) error {
	entry := change.Post
	if entry == nil {
		entry = change.Pre
	}
	data := entry.Data.ContractData
	if data.Key.Type == xdr.ScValTypeScvLedgerKeyNonce || data.Contract.Type != xdr.ScAddressTypeScAddressTypeContract {
		return nil
	}
	key, err := entry.LedgerKey()
	if err != nil {
		return err
	}
	keyXDR, err := key.MarshalBinary()
	if err != nil {
		return err
	}
	row := rows.Row{
		Contract:     data.Contract.ContractId[:],
		KeyType:      int32(data.Key.Type),
		Durability:   int32(data.Durability),
		LastModified: uint32(entry.LastModifiedLedgerSeq),
		Deleted:      change.Post == nil,
		KeyHash:      sha256.Sum256(keyXDR),
	}
	if row.Key, err = data.Key.MarshalBinary(); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if row.Val, err = data.Val.MarshalBinary(); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	row.FindBalance()
	if data.Key.Type == xdr.ScValTypeScvLedgerKeyContractInstance && data.Val.Instance != nil {
		instance := data.Val.Instance
		var wasmHash []byte
		if hash := instance.Executable.WasmHash; hash != nil {
			wasmHash = hash[:]
		}
		row.SetInstance(instance.Executable.Type, wasmHash)
		d.assets.Find(&row, instance.Storage)
	}
	d.found = append(d.found, row)
	return nil
}
