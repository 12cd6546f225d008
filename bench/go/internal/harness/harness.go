// Package harness is what a decoder under measurement needs around it: the ledgers in memory, and a conversation over
// standard input and output, so that bench/decode.ts can run rounds of several decoders in turn.
//
//	load <file> <raw|zstd> <passphrase>   reads a file of frames: 4-byte big-endian length, then that many bytes
//	round <milliseconds>                  decodes all frames, whole passes, until the time is over
//	digest                                sha256 over the rows' neutral text
//
// BATCH_ROWS in the environment is how many rows a record batch has at least. Each command is answered with one line of JSON. A raw frame is one LedgerCloseMeta; a zstd frame is one lake file,
// whose content is a LedgerCloseMetaBatch of a single ledger.
package harness

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"

	"bench/internal/rows"
)

// A Decoder appends the rows of one LedgerCloseMeta.
type Decoder interface {
	Decode(ledger []byte, into *rows.Builder) error
}

// Round is what a command is answered with.
type Round struct {
	Passes    int    `json:"passes"`
	Ledgers   int    `json:"ledgers"`
	Bytes     int    `json:"bytes"`
	Rows      int    `json:"rows"`
	WallNanos int64  `json:"wallNanos"`
	CPUNanos  int64  `json:"cpuNanos"`
	Digest    string `json:"digest,omitempty"`
	Error     string `json:"error,omitempty"`
}

const (
	batchHead  = 12      // LedgerCloseMetaBatch: first, last, count
	inflateMax = 1 << 30 // no lake file comes near
)

type bench struct {
	rows    int // of one record batch, at least
	make    func(passphrase string) Decoder
	decoder Decoder
	frames  [][]byte
	isZstd  bool
	zstd    *zstd.Decoder
	buffer  []byte
	builder *rows.Builder
}

// Serve answers commands until its input ends.
func Serve(decoder func(passphrase string) Decoder) {
	inflater, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(inflateMax))
	if err != nil {
		panic(err)
	}
	batchRows, err := strconv.Atoi(os.Getenv("BATCH_ROWS"))
	if err != nil {
		panic(err)
	}
	b := &bench{rows: batchRows, make: decoder, zstd: inflater, builder: rows.NewBuilder()}
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		answer, err := b.answer(strings.SplitN(lines.Text(), " ", 4))
		if err != nil {
			answer.Error = err.Error()
		}
		if err := out.Encode(answer); err != nil {
			panic(err)
		}
	}
}

func (b *bench) answer(words []string) (Round, error) {
	switch words[0] {
	case "load":
		return Round{}, b.load(words[1], words[2] == "zstd", words[3])
	case "round":
		millis, err := strconv.Atoi(words[1])
		if err != nil {
			return Round{}, err
		}
		return b.round(time.Duration(millis) * time.Millisecond)
	case "digest":
		return b.digest()
	}
	return Round{}, fmt.Errorf("unknown command %q", words[0])
}

func (b *bench) load(path string, isZstd bool, passphrase string) error {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b.frames, b.isZstd, b.decoder = nil, isZstd, b.make(passphrase)
	for at := 0; at < len(bytes); {
		n := int(binary.BigEndian.Uint32(bytes[at:]))
		b.frames = append(b.frames, bytes[at+4:at+4+n])
		at += 4 + n
	}
	return nil
}

// pass decodes every frame once; each takes the record batches as they fill.
func (b *bench) pass(round *Round, each func(arrow.RecordBatch)) error {
	for _, frame := range b.frames {
		ledger := frame
		if b.isZstd {
			inflated, err := b.zstd.DecodeAll(frame, b.buffer[:0])
			if err != nil {
				return err
			}
			if cap(inflated) > cap(b.buffer) {
				b.buffer = inflated
			}
			ledger = inflated[batchHead:]
		}
		if err := b.decoder.Decode(ledger, b.builder); err != nil {
			return err
		}
		round.Ledgers++
		round.Bytes += len(ledger)
		if b.builder.Rows() >= b.rows {
			b.flush(round, each)
		}
	}
	b.flush(round, each)
	return nil
}

func (b *bench) flush(round *Round, each func(arrow.RecordBatch)) {
	batch := b.builder.Batch()
	round.Rows += int(batch.NumRows())
	if each != nil {
		each(batch)
	}
	batch.Release()
}

func (b *bench) round(duration time.Duration) (Round, error) {
	var round Round
	cpu, begun := cpuNanos(), time.Now()
	for round.Passes == 0 || time.Since(begun) < duration {
		if err := b.pass(&round, nil); err != nil {
			return round, err
		}
		round.Passes++
	}
	round.WallNanos = time.Since(begun).Nanoseconds()
	round.CPUNanos = cpuNanos() - cpu
	return round, nil
}

func (b *bench) digest() (Round, error) {
	var round Round
	hash := sha256.New()
	err := b.pass(&round, func(batch arrow.RecordBatch) { rows.WriteText(hash, batch) })
	round.Digest = hex.EncodeToString(hash.Sum(nil))
	return round, err
}

func cpuNanos() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
