package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const movesMax = 100 // failures in a row of one endpoint

type anywhereResult struct {
	Endpoints int   `json:"endpoints"`
	Rows      int64 `json:"rows"`
	Moves     int64 `json:"moves"`
	Places    int   `json:"places"`
}

type endpointPart struct {
	rows  int64
	moves int64
	text  bytes.Buffer
}

// anywhere reads all endpoints of the descriptor side by side, each at its locations, and writes their rows in order.
func anywhere(ctx context.Context, client flight.Client, o *options) (any, error) {
	info, err := client.GetFlightInfo(ctx, descriptor(o))
	if err != nil {
		return nil, err
	}
	endpoints := info.GetEndpoint()
	parts := make([]endpointPart, len(endpoints))
	faults := make([]error, len(endpoints))
	places := map[string]bool{}
	var all sync.WaitGroup
	for i, endpoint := range endpoints {
		for _, location := range endpoint.GetLocation() {
			places[location.GetUri()] = true
		}
		all.Go(func() { faults[i] = parts[i].read(ctx, endpoint, o) })
	}
	all.Wait()
	result := &anywhereResult{Endpoints: len(endpoints), Places: len(places)}
	file, err := os.Create(o.rowsOut)
	if err != nil {
		return result, err
	}
	defer file.Close()
	for i := range parts {
		result.Rows += parts[i].rows
		result.Moves += parts[i].moves
		if _, err := file.Write(parts[i].text.Bytes()); err != nil {
			return result, err
		}
	}
	return result, errors.Join(faults...)
}

// read goes on at the cursor at the next location where a node fails. An endpoint without locations is the asked server's.
func (p *endpointPart) read(ctx context.Context, endpoint *flight.FlightEndpoint, o *options) error {
	ticket := endpoint.GetTicket().GetTicket()
	locations := endpoint.GetLocation()
	if len(locations) == 0 {
		locations = []*flight.Location{{Uri: o.addr}}
	}
	for failures := 0; ; failures++ {
		before := p.rows
		var err error
		ticket, err = p.readAt(ctx, locations[p.moves%int64(len(locations))].GetUri(), ticket, o.progress)
		if err == nil {
			return nil
		}
		if code := status.Code(err); (code != codes.Unavailable && code != codes.Internal) || failures > movesMax {
			return err
		}
		if p.rows > before {
			failures = 0
		}
		p.moves++
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *endpointPart) readAt(ctx context.Context, uri string, ticket []byte, progress bool) ([]byte, error) {
	client, err := flight.NewClientWithMiddleware(strings.TrimPrefix(uri, "grpc+tcp://"), nil, nil,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return ticket, err
	}
	defer client.Close()
	stream, err := client.DoGet(ctx, &flight.Ticket{Ticket: ticket})
	if err != nil {
		return ticket, err
	}
	reader, err := flight.NewRecordReader(stream, ipc.WithAllocator(allocator))
	if err != nil {
		return ticket, err
	}
	defer reader.Release()
	text := bufio.NewWriter(&p.text)
	defer text.Flush()
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return ticket, nil
		}
		if err != nil {
			return ticket, err
		}
		p.rows += record.NumRows()
		if progress {
			fmt.Fprintln(os.Stderr, record.NumRows())
		}
		if err := writeRows(text, record); err != nil {
			return ticket, err
		}
		if ticket, err = from(ticket, reader.LatestAppMetadata()); err != nil {
			return ticket, err
		}
	}
}

// from is the ticket with the cursor of a batch in it.
func from(ticket []byte, appMetadata []byte) ([]byte, error) {
	var told struct {
		Cursor string `json:"cursor"`
	}
	fields := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(ticket))
	decoder.UseNumber()
	if err := errors.Join(json.Unmarshal(appMetadata, &told), decoder.Decode(&fields)); err != nil {
		return ticket, err
	}
	fields["from"] = told.Cursor
	return json.Marshal(fields)
}
