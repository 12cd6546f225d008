// pipeline is a Go service of the same shape as the one that is measured: ledgers from a lake folder or from a
// RawLedgerService, decoded by several goroutines with go-stellar-sdk's ingest, as Arrow batches in ledger order to one
// Flight client. It prints the address that it listens on, and reads on each DoGet.
//
//	pipeline [-workers 2] [-passphrase P] -first N -last N  -lake FOLDER | -raw HOST:PORT
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/klauspost/compress/zstd"
	"github.com/stellar/go-stellar-sdk/xdr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"bench/internal/rawledger"
	"bench/internal/rows"
)

const (
	messageBytesMax = 65 << 20
	windowBytes     = 4 << 20 // what makes grpc-go fastest with messages of this size
	aheadPerWorker  = 4
)

type server struct {
	flight.BaseFlightServer
	lake, raw, passphrase string
	first, last           uint32
	workers               int
}

// job is one ledger (or lake file) on its way; done gives its batch.
type job struct {
	bytes []byte
	done  chan result
}

type result struct {
	batch arrow.RecordBatch
	err   error
}

func (s *server) DoGet(_ *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	jobs := make(chan job)
	order := make(chan job, aheadPerWorker*s.workers)
	failed := make(chan error, 1)
	for range s.workers {
		go s.decode(jobs)
	}
	go func() {
		defer close(order)
		defer close(jobs)
		if err := s.read(ctx, func(bytes []byte) {
			j := job{bytes, make(chan result, 1)}
			select {
			case order <- j:
				jobs <- j
			case <-ctx.Done():
			}
		}); err != nil {
			failed <- err
		}
	}()
	writer := flight.NewRecordWriter(stream, ipc.WithSchema(rows.NewBuilder().Batch().Schema()))
	defer writer.Close()
	for j := range order {
		r := <-j.done
		if r.err != nil {
			return r.err
		}
		if r.batch.NumRows() > 0 {
			if err := writer.Write(r.batch); err != nil {
				return err
			}
		}
		r.batch.Release()
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (s *server) decode(jobs <-chan job) {
	inflater, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	defer inflater.Close()
	decoder := &decoder{passphrase: s.passphrase, assets: rows.NewAssetFinder(s.passphrase)}
	builder := rows.NewBuilder()
	var plain []byte
	for j := range jobs {
		err := func() error {
			if s.raw != "" {
				var meta xdr.LedgerCloseMeta
				if err := meta.UnmarshalBinary(j.bytes); err != nil {
					return err
				}
				return decoder.Decode(meta, builder)
			}
			var err error
			if plain, err = inflater.DecodeAll(j.bytes, plain[:0]); err != nil {
				return err
			}
			var batch xdr.LedgerCloseMetaBatch
			if err := batch.UnmarshalBinary(plain); err != nil {
				return err
			}
			for _, meta := range batch.LedgerCloseMetas {
				if err := decoder.Decode(meta, builder); err != nil {
					return err
				}
			}
			return nil
		}()
		if err != nil {
			j.done <- result{err: err}
			continue
		}
		j.done <- result{batch: builder.Batch()}
	}
}

// read gives every ledger's (or file's) bytes in order.
func (s *server) read(ctx context.Context, each func([]byte)) error {
	if s.raw != "" {
		return rawledger.Read(ctx, s.raw, s.first, s.last, windowBytes, messageBytesMax, each,
			grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	for n := s.first; n <= s.last && ctx.Err() == nil; n++ {
		bytes, err := os.ReadFile(filepath.Join(s.lake, partition(n), fmt.Sprintf("%08X--%d.xdr.zst", math.MaxUint32-n, n)))
		if err != nil {
			return err
		}
		each(bytes)
	}
	return nil
}

const partitionLedgers = 64000

func partition(n uint32) string {
	start := n - n%partitionLedgers
	return fmt.Sprintf("%08X--%d-%d", math.MaxUint32-start, start, start+partitionLedgers-1)
}

func main() {
	s := &server{}
	var first, last uint
	flag.StringVar(&s.lake, "lake", "", "folder")
	flag.StringVar(&s.raw, "raw", "", "host:port")
	flag.StringVar(&s.passphrase, "passphrase", "Public Global Stellar Network ; September 2015", "")
	flag.IntVar(&s.workers, "workers", 2, "decoding goroutines")
	flag.UintVar(&first, "first", 0, "")
	flag.UintVar(&last, "last", 0, "")
	flag.Parse()
	s.first, s.last = uint32(first), uint32(last)
	listening := flight.NewServerWithMiddleware(nil)
	if err := listening.Init("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	listening.RegisterFlightService(s)
	fmt.Println(listening.Addr())
	log.Fatal(listening.Serve())
}

