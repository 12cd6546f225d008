// make-sample rebuilds the project's committed ledgers from two published Go modules:
//
//	-fixtures DIR  the ledgers as published (test/fixtures/ledgers)
//	-sample DIR    the embedded lake (sample/lake): the seven real pubnet ledgers among them as one consecutive chain
//	-balances DIR  a lake of balances (sample/balances): the two ledgers of stellar-core's load test with transactions
//
// The same modules give the same bytes each time: module contents are checked by the Go checksum database when they
// are fetched and by the SHA-256 below when they are read, and nothing here depends on a clock or on the machine.
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip" // not the standard library's: pinned by go.mod, so the bytes do not change with Go
	"github.com/klauspost/compress/zstd"
	"github.com/stellar/go-stellar-sdk/support/compressxdr"
	"github.com/stellar/go-stellar-sdk/xdr"
)

const (
	sdkModule     = "github.com/stellar/go-stellar-sdk@v0.7.3"
	horizonModule = "github.com/stellar/go@v0.0.0-20250716214416-01d16bf8185f"
)

// published is one file of a module, and how the project stores it.
type published struct {
	module, path, sha256 string
	stored               string // file name under test/fixtures/ledgers
	encode               func([]byte) ([]byte, error)
}

var (
	ledger58752000 = published{sdkModule, "xdr/testdata/ledger_58752000.bin",
		"70be7735c0c7a93f6a7184fcf436120cfddc3ad9d9ce23353c7e49212677aa75", "58752000.xdr.zst", encodeZstd}
	ledger53312000 = published{sdkModule, "support/compressxdr/testdata/FCD285FF--53312000.xdr.zstd",
		"5c6e4746eb4e7a6e1fdca74e64639bbb5981f8caf8634c5a33bd007c942b178d", "FCD285FF--53312000.xdr.zstd", asIs}
	ledgersClassic = published{sdkModule, "ingest/tutorial/ttp-example/ledgers-base64.txt",
		"42a1e1207b35b4407e932f40323af3e60c8b0caa46447ad09357c0f764c7d0e6", "ledgers-base64.txt.gz", encodeGzip}
	ledgersLoadTest = published{horizonModule, "services/horizon/internal/integration/testdata/load-test-ledgers.xdr.zstd",
		"0e95c83e0228cf1ab7130700391029a8a3174523612df2988b54bffa76b52a35", "load-test-ledgers.xdr.zstd", asIs}
)

// The chain ends on 58752000, so the newest ledger keeps its own number. 64000 divides it, so with the partition size
// of the public pubnet lake the chain crosses a partition boundary just before its last ledger.
const (
	sampleLedgerLast    = 58752000
	batchesPerPartition = 64000
	networkPassphrase   = "Public Global Stellar Network ; September 2015"
)

// The load test's ledgers 88 and 92, the only ones with rows, become 91 and 92.
const (
	balancesLedgerLast = 92
	loadTestPassphrase = "load test network"
)

func main() {
	fixtures := flag.String("fixtures", "", "directory to write the ledgers as published into")
	sample := flag.String("sample", "", "directory to write the sample lake into")
	balances := flag.String("balances", "", "directory to write the lake of balances into")
	flag.Parse()
	log.SetFlags(0)
	if *fixtures == "" && *sample == "" && *balances == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *fixtures != "" {
		for _, p := range []published{ledger58752000, ledger53312000, ledgersClassic, ledgersLoadTest} {
			stored, err := p.encode(p.read())
			check(err)
			write(filepath.Join(*fixtures, p.stored), stored)
		}
	}
	if *sample != "" {
		makeLake(*sample, ledgersInOrder(), sampleLedgerLast, networkPassphrase)
	}
	if *balances != "" {
		makeLake(*balances, ledgersOfLoadTest(), balancesLedgerLast, loadTestPassphrase)
	}
}

// makeLake writes the lake in Galexie's layout (SEP-54), one ledger a file; the chain ends on ledger `last`.
func makeLake(dir string, chain []xdr.LedgerCloseMeta, last int, passphrase string) {
	var previous *xdr.LedgerHeaderHistoryEntry
	for i := range chain {
		sequence := uint32(last - len(chain) + 1 + i)
		entry := headerEntry(&chain[i])
		original := entry.Header.LedgerSeq
		entry.Header.LedgerSeq = xdr.Uint32(sequence)
		if previous != nil {
			entry.Header.PreviousLedgerHash = previous.Hash
		}
		header, err := entry.Header.MarshalBinary()
		check(err)
		entry.Hash = sha256.Sum256(header)
		previous = entry

		var file bytes.Buffer
		_, err = compressxdr.NewXDREncoder(compressxdr.DefaultCompressor, xdr.LedgerCloseMetaBatch{
			StartSequence:    xdr.Uint32(sequence),
			EndSequence:      xdr.Uint32(sequence),
			LedgerCloseMetas: []xdr.LedgerCloseMeta{chain[i]},
		}).WriteTo(&file)
		check(err)
		log.Printf("ledger %d becomes %d, hash %s", original, sequence, hex.EncodeToString(entry.Hash[:]))
		write(filepath.Join(dir, lakeKey(sequence)), file.Bytes())
	}
	manifest, err := json.Marshal(struct {
		NetworkPassphrase   string `json:"networkPassphrase"`
		Version             string `json:"version"`
		Compression         string `json:"compression"`
		LedgersPerBatch     uint32 `json:"ledgersPerBatch"`
		BatchesPerPartition uint32 `json:"batchesPerPartition"`
	}{passphrase, "1.0", "zst", 1, batchesPerPartition})
	check(err)
	write(filepath.Join(dir, ".config.json"), manifest)
}

// ledgersInOrder gives the seven real pubnet ledgers, oldest first.
func ledgersInOrder() []xdr.LedgerCloseMeta {
	var chain []xdr.LedgerCloseMeta
	for _, line := range strings.Fields(string(ledgersClassic.read())) {
		raw, err := base64.StdEncoding.DecodeString(line)
		check(err)
		chain = append(chain, unmarshal(raw))
	}
	var batch xdr.LedgerCloseMetaBatch
	_, err := compressxdr.NewXDRDecoder(compressxdr.DefaultCompressor, &batch).ReadFrom(bytes.NewReader(ledger53312000.read()))
	check(err)
	chain = append(chain, batch.LedgerCloseMetas...)
	chain = append(chain, unmarshal(ledger58752000.read()))
	slices.SortFunc(chain, func(a, b xdr.LedgerCloseMeta) int {
		return cmp.Compare(a.LedgerSequence(), b.LedgerSequence())
	})
	return chain
}

// ledgersOfLoadTest gives the load test's ledgers that have transactions, in order, from its record-marked stream.
func ledgersOfLoadTest() []xdr.LedgerCloseMeta {
	decoder, err := zstd.NewReader(bytes.NewReader(ledgersLoadTest.read()))
	check(err)
	defer decoder.Close()
	var chain []xdr.LedgerCloseMeta
	for {
		var mark [4]byte
		if _, err := io.ReadFull(decoder, mark[:]); err == io.EOF {
			return chain
		} else {
			check(err)
		}
		record := make([]byte, binary.BigEndian.Uint32(mark[:])&math.MaxInt32)
		_, err := io.ReadFull(decoder, record)
		check(err)
		if ledger := unmarshal(record); ledger.CountTransactions() > 0 {
			chain = append(chain, ledger)
		}
	}
}

func unmarshal(raw []byte) (ledger xdr.LedgerCloseMeta) {
	check(xdr.SafeUnmarshal(raw, &ledger))
	return ledger
}

func headerEntry(ledger *xdr.LedgerCloseMeta) *xdr.LedgerHeaderHistoryEntry {
	switch ledger.V {
	case 0:
		return &ledger.V0.LedgerHeader
	case 1:
		return &ledger.V1.LedgerHeader
	case 2:
		return &ledger.V2.LedgerHeader
	}
	log.Fatalf("LedgerCloseMeta version %d", ledger.V)
	return nil
}

// lakeKey is the SEP-54 object key for one ledger a file.
func lakeKey(sequence uint32) string {
	partition := sequence / batchesPerPartition * batchesPerPartition
	return fmt.Sprintf("%08X--%d-%d/%08X--%d.xdr.zst", math.MaxUint32-partition, partition,
		partition+batchesPerPartition-1, math.MaxUint32-sequence, sequence)
}

// read finds the file in the module cache, fetching the module if need be, and checks it.
func (p published) read() []byte {
	out, err := exec.Command("go", "mod", "download", "-json", p.module).Output()
	check(err)
	var module struct{ Dir string }
	check(json.Unmarshal(out, &module))
	content, err := os.ReadFile(filepath.Join(module.Dir, p.path))
	check(err)
	if sum := fmt.Sprintf("%x", sha256.Sum256(content)); sum != p.sha256 {
		log.Fatalf("%s %s has SHA-256 %s, want %s", p.module, p.path, sum, p.sha256)
	}
	return content
}

func asIs(content []byte) ([]byte, error) { return content, nil }

// encodeZstd is one frame with content size and checksum.
func encodeZstd(content []byte) ([]byte, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return nil, err
	}
	return encoder.EncodeAll(content, nil), nil
}

// encodeGzip leaves name and time out of the header, so that the same content gives the same bytes.
func encodeGzip(content []byte) ([]byte, error) {
	var out bytes.Buffer
	encoder, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(encoder, bytes.NewReader(content)); err != nil {
		return nil, err
	}
	if err = encoder.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func write(path string, content []byte) {
	check(os.MkdirAll(filepath.Dir(path), 0o755))
	check(os.WriteFile(path, content, 0o644))
	log.Printf("%x  %s (%d B)", sha256.Sum256(content), path, len(content))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
