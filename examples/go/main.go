// Balances of a range of ledgers, each once, across broken connections:
//
//	go run . -addr 127.0.0.1:8816 -start 58751994 -end 58752000
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const waitMax = 30 * time.Second

// told is what comes beside each batch. Keep Cursor with what you make of the rows: a ticket with it goes on right behind.
type told struct {
	Cursor string `json:"cursor"`
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8816", "the Flight server")
	start := flag.Uint("start", 0, "first ledger")
	end := flag.Uint("end", 0, "last ledger; 0 goes on for ever")
	flag.Parse()

	client, err := flight.NewClientWithMiddleware(*addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ticket := map[string]any{
		"start_ledger": *start, "end_ledger": *end, "schema_version": 2, "dictionaries": false,
		"columns": []string{"ledger_sequence", "contract_id", "balance_holder", "balance_text"},
		"filters": map[string]any{"balances": true},
		"from":    "start",
	}
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, waitMax) {
		before := ticket["from"]
		err := read(client, ticket)
		if err == nil {
			return
		}
		if code := status.Code(err); code != codes.Unavailable && code != codes.Internal && code != codes.ResourceExhausted {
			log.Fatal(err)
		}
		if ticket["from"] != before {
			wait = 200 * time.Millisecond
		}
		log.Printf("%v: going on at %v", err, ticket["from"])
		time.Sleep(time.Duration(float64(wait) * (0.5 + rand.Float64()/2)))
	}
}

// read prints batches until the stream ends; ticket["from"] follows.
func read(client flight.Client, ticket map[string]any) error {
	words, err := json.Marshal(ticket)
	if err != nil {
		return err
	}
	stream, err := client.DoGet(context.Background(), &flight.Ticket{Ticket: words})
	if err != nil {
		return err
	}
	reader, err := flight.NewRecordReader(stream)
	if err != nil {
		return err
	}
	defer reader.Release()
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		ledgers := record.Column(0).(*array.Uint32)
		for row := range int(record.NumRows()) {
			text := func(column int) string { return record.Column(column).(*array.String).Value(row) }
			fmt.Println(ledgers.Value(row), text(1), text(2), text(3))
		}
		var at told
		if err := json.Unmarshal(reader.LatestAppMetadata(), &at); err != nil {
			return err
		}
		ticket["from"] = at.Cursor
	}
}
