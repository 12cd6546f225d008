// latency is both ends of what is measured: a RawLedgerService, or the writer of a FIFO, that gives one ledger at a time,
// and the Flight client that waits for its rows. A ledger is sent once the rows of the one before have come and a pause has passed.
//
// Late in each pause it does a fixed piece of work, and times it: what that takes beyond the usual is the machine's doing.
//
// With -every ledgers come at a pace instead, each at its time, whether or not the rows of the one before have come.
//
// It prints the address of its service, or meta: and the FIFO, and then reads one line, "ADDRESS TICKET", of the Flight server that reads from
// it. At last it prints four numbers of milliseconds a ledger, warm-up left out, one ledger a line: from its send to its
// rows, what the work before it and after it took, and from the last byte that was written of it to its rows.
//
//	latency [-first N] [-ledgers N] [-warm-up N] [-pause D] [-every D] [-fifo PATH] FILE
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"bench/internal/rawledger"
	"bench/internal/template"
)

func main() {
	first := flag.Uint("first", 1000, "the first ledger's number")
	ledgers := flag.Int("ledgers", 200, "ledgers that count")
	warmUp := flag.Int("warm-up", 200, "ledgers before them")
	pause := flag.Duration("pause", 40*time.Millisecond, "between a ledger's rows and the next ledger")
	every := flag.Duration("every", 0, "from one ledger's send to the next one's, in place of the pause")
	fifo := flag.String("fifo", "", "a FIFO that takes the ledgers as core's meta stream, in place of the service")
	flag.Parse()
	debug.SetGCPercent(-1)
	templates, err := template.Load(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	count := *warmUp + *ledgers
	sent := make([]time.Time, count)
	ended := make([]atomic.Int64, count) // of the last byte of each, in nanoseconds of the wall clock
	var lastWrite atomic.Int64
	worked := make([]time.Duration, count+1)
	work := newFixedWork()
	arrived := make(chan struct{}, count)
	// give sends the ledgers from the n-th on, which `make` has made ready before each one's time begins.
	var hash template.Hash
	give := func(n int, make func(n int) func() error, done <-chan struct{}) error {
		due := time.Now()
		for ; n < count; n++ {
			if *every > 0 {
				due = due.Add(*every)
				time.Sleep(time.Until(due) - prepare)
			}
			send := make(n)
			runtime.GC() // now, and not while the ledger is on its way
			if *every == 0 {
				time.Sleep(*pause)
			}
			worked[n] = work.run()
			if *every > 0 {
				time.Sleep(time.Until(due))
			}
			sent[n] = time.Now()
			if err := send(); err != nil {
				return err
			}
			if *every > 0 {
				go func(n int) { // what is written after some time is the next one's
					time.Sleep(*every / 2)
					ended[n].Store(lastWrite.Load())
				}(n)
				continue
			}
			select {
			case <-arrived:
			case <-done:
				return nil
			}
		}
		<-done // the source has no end
		return nil
	}
	source := grpc.NewServer(grpc.ForceServerCodecV2(rawledger.Codec{}))
	source.RegisterService(rawledger.Service(func(start uint32, stream grpc.ServerStream) error {
		return give(int(start)-int(*first), func(n int) func() error {
			frame, own := templates[n%len(templates)].Frame(uint32(*first)+uint32(n), hash)
			hash = own
			return func() error { return stream.SendMsg(frame) }
		}, stream.Context().Done())
	}), nil)
	if *fifo == "" {
		go source.Serve(timedListener{listener, &lastWrite})
		fmt.Println(listener.Addr())
	} else {
		go func() {
			pipe, err := os.OpenFile(*fifo, os.O_WRONLY, 0) // waits for the reader
			if err != nil {
				log.Fatal(err)
			}
			log.Fatal(give(0, func(n int) func() error {
				record, own := templates[n%len(templates)].Record(uint32(*first)+uint32(n), hash)
				hash = own
				return func() error {
					_, err := pipe.Write(record)
					lastWrite.Store(time.Now().UnixNano())
					return err
				}
			}, nil))
		}()
		fmt.Println("meta:" + *fifo)
	}

	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	address, ticket, _ := strings.Cut(strings.TrimSpace(line), " ")
	client, err := flight.NewClientWithMiddleware(address, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(batchBytesMax)))
	if err != nil {
		log.Fatal(err)
	}
	stream, err := client.DoGet(context.Background(), &flight.Ticket{Ticket: []byte(ticket)})
	if err != nil {
		log.Fatal(err)
	}
	took := make([]time.Duration, 0, count)
	rest := make([]time.Duration, 0, count) // from the last byte on
	for {
		data, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		now := time.Now()
		complete := uint32(*first) + uint32(len(took)) // a service that does not say sends one batch a ledger
		if len(data.AppMetadata) > 0 {
			var progress struct {
				Complete uint32 `json:"ledger_complete"`
			}
			if err := json.Unmarshal(data.AppMetadata, &progress); err != nil {
				log.Fatal(err)
			}
			complete = progress.Complete
		} else if len(data.DataBody) == 0 {
			continue // the schema
		}
		for ; len(took) < count && uint32(*first)+uint32(len(took)) <= complete; arrived <- struct{}{} {
			last := ended[len(took)].Load()
			if last == 0 {
				last = lastWrite.Load() // it is the newest one still
			}
			rest = append(rest, time.Duration(now.UnixNano()-last))
			took = append(took, now.Sub(sent[len(took)]))
		}
	}
	if len(took) < count {
		log.Fatalf("the rows of %d ledgers came, of %d", len(took), count)
	}
	time.Sleep(*pause)
	worked[count] = work.run()
	for n := *warmUp; n < count; n++ {
		fmt.Printf("%.3f %.3f %.3f %.3f\n", milliseconds(took[n]), milliseconds(worked[n]), milliseconds(worked[n+1]), milliseconds(rest[n]))
	}
}

// batchBytesMax is over what a service makes of a large ledger that sends it as one batch.
const batchBytesMax = 64 << 20

// prepare is how long before its time a ledger is made ready, when ledgers come at a pace.
const prepare = 120 * time.Millisecond

// timedListener's connections tell when something that is no answer to a ping was written last.
type timedListener struct {
	net.Listener
	lastWrite *atomic.Int64
}

func (l timedListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	return timedConnection{connection, l.lastWrite}, err
}

type timedConnection struct {
	net.Conn
	lastWrite *atomic.Int64
}

const smallFramesBytes = 64 // pings, settings and window updates

func (c timedConnection) Write(bytes []byte) (int, error) {
	n, err := c.Conn.Write(bytes)
	if len(bytes) > smallFramesBytes {
		c.lastWrite.Store(time.Now().UnixNano())
	}
	return n, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fixedWork is copies of memory, as much of the way of a ledger is.
type fixedWork struct{ from, to []byte }

const (
	workBytes  = 4 << 20
	workCopies = 8 // some 3 ms
)

func newFixedWork() *fixedWork {
	w := &fixedWork{make([]byte, workBytes), make([]byte, workBytes)}
	for i := range w.from {
		w.from[i] = byte(i)
	}
	w.run()
	return w
}

func (w *fixedWork) run() time.Duration {
	begun := time.Now()
	for i := range workCopies {
		copy(w.to, w.from)
		w.from[i]++
	}
	return time.Since(begun)
}
