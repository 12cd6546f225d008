package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/stellar/go-stellar-sdk/xdr"
)

// inflated is the content of a file, whether or not it is a zstd frame.
func inflated(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(content, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return content, err
	}
	reader, err := zstd.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

// ledgersOf reads one LedgerCloseMeta, a LedgerCloseMetaBatch, or a stream of record-marked ledgers.
func ledgersOf(path string) ([]xdr.LedgerCloseMeta, error) {
	content, err := inflated(path)
	if err != nil {
		return nil, err
	}
	if len(content) > 0 && content[0]&0x80 != 0 {
		return recordsOf(content)
	}
	var one xdr.LedgerCloseMeta
	if xdr.SafeUnmarshal(content, &one) == nil {
		return []xdr.LedgerCloseMeta{one}, nil
	}
	var batch xdr.LedgerCloseMetaBatch
	if err := xdr.SafeUnmarshal(content, &batch); err != nil {
		return nil, fmt.Errorf("%s holds no ledgers: %w", path, err)
	}
	return batch.LedgerCloseMetas, nil
}

func recordsOf(content []byte) ([]xdr.LedgerCloseMeta, error) {
	var ledgers []xdr.LedgerCloseMeta
	for len(content) > 0 {
		if len(content) < 4 {
			return nil, fmt.Errorf("a record mark is cut")
		}
		length := int(content[0]&0x7f)<<24 | int(content[1])<<16 | int(content[2])<<8 | int(content[3])
		if len(content) < 4+length {
			return nil, fmt.Errorf("a record is cut")
		}
		var ledger xdr.LedgerCloseMeta
		if err := xdr.SafeUnmarshal(content[4:4+length], &ledger); err != nil {
			return nil, err
		}
		ledgers = append(ledgers, ledger)
		content = content[4+length:]
	}
	return ledgers, nil
}
