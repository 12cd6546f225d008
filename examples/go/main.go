// Balances of a range of ledgers, each once, across broken connections and nodes that die:
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
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
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

	ticket := map[string]any{
		"start_ledger": *start, "end_ledger": *end, "schema_version": 2, "dictionaries": false,
		"columns": []string{"ledger_sequence", "contract_id", "balance_holder", "balance_text"},
		"filters": map[string]any{"balances": true},
		"from":    "start",
	}
	places := []string{*addr}
	wait := 200 * time.Millisecond
	for turn := 0; ; turn, wait = turn+1, min(2*wait, waitMax) {
		before := ticket["from"]
		err := readAt(places[turn%len(places)], ticket, &places)
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

// readAt connects to a node, and reads there. In a cluster places becomes all nodes that serve the rows, with the first last.
func readAt(addr string, ticket map[string]any, places *[]string) error {
	// A node whose machine is gone says nothing more: it is given up after 40 s.
	alive := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 20 * time.Second})
	client, err := flight.NewClientWithMiddleware(addr, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()), alive)
	if err != nil {
		return err
	}
	defer client.Close()
	words, err := json.Marshal(ticket)
	if err != nil {
		return err
	}
	descriptor := &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: words}
	if info, err := client.GetFlightInfo(context.Background(), descriptor); err == nil {
		if locations := info.Endpoint[0].Location; len(locations) > 0 {
			nodes := []string{}
			for _, location := range locations {
				nodes = append(nodes, strings.TrimPrefix(location.Uri, "grpc+tcp://"))
			}
			*places = append(nodes, (*places)[len(*places)-1])
		}
	}
	return read(client, words, ticket)
}

// read prints batches until the stream ends; ticket["from"] follows.
func read(client flight.Client, words []byte, ticket map[string]any) error {
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
