package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

var allocator = memory.DefaultAllocator

type getResult struct {
	Rows    int64   `json:"rows"`
	Batches int64   `json:"batches"`
	Bytes   int64   `json:"bytes"` // of message bodies as received
	Seconds float64 `json:"seconds"`
	// From the start of the call to the first batch; -1 when none came.
	FirstBatchSeconds float64     `json:"firstBatchSeconds"`
	LastAppMetadata   string      `json:"lastAppMetadata"`
	Sha256            string      `json:"sha256,omitempty"`
	Schema            *schemaText `json:"schema"`
}

// bodyCounter counts the bytes of message bodies on their way to the record reader.
type bodyCounter struct {
	flight.DataStreamReader
	result *getResult
}

func (c bodyCounter) Recv() (*flight.FlightData, error) {
	data, err := c.DataStreamReader.Recv()
	if err == nil {
		c.result.Bytes += int64(len(data.GetDataBody()))
	}
	return data, err
}

// get reads one ticket, or every endpoint of the descriptor in order, to its end.
func get(ctx context.Context, client flight.Client, o *options) (any, error) {
	started := time.Now()
	result := &getResult{FirstBatchSeconds: -1}
	tickets := []*flight.Ticket{{Ticket: []byte(o.ticket)}}
	if o.ticket == "" && (o.path != "" || o.cmd != "") {
		flightInfo, err := client.GetFlightInfo(ctx, descriptor(o))
		if err != nil {
			return result, err
		}
		tickets = nil
		for _, e := range flightInfo.GetEndpoint() {
			tickets = append(tickets, e.GetTicket())
		}
	}

	digest := sha256.New()
	var sinks []io.Writer
	if o.rowsOut != "" {
		file, err := os.Create(o.rowsOut)
		if err != nil {
			return result, err
		}
		defer file.Close()
		sinks = append(sinks, file)
	}
	if o.hash || o.rowsOut != "" {
		sinks = append(sinks, digest)
	}
	text := bufio.NewWriterSize(io.MultiWriter(sinks...), 1<<20)

	var err error
	for _, ticket := range tickets {
		if err = readTicket(ctx, client, o, ticket, result, started, text, len(sinks) > 0); err != nil {
			break
		}
	}
	if flushErr := text.Flush(); err == nil {
		err = flushErr
	}
	result.Seconds = time.Since(started).Seconds()
	if len(sinks) > 0 {
		result.Sha256 = hex.EncodeToString(digest.Sum(nil))
	}
	return result, err
}

func readTicket(ctx context.Context, client flight.Client, o *options, ticket *flight.Ticket, result *getResult,
	started time.Time, text *bufio.Writer, wanted bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.DoGet(ctx, ticket)
	if err != nil {
		return err
	}
	reader, err := flight.NewRecordReader(bodyCounter{stream, result}, ipc.WithAllocator(allocator))
	if err != nil {
		return err
	}
	defer reader.Release()
	described := describeSchema(reader.Schema())
	result.Schema = &described
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if result.FirstBatchSeconds < 0 {
			result.FirstBatchSeconds = time.Since(started).Seconds()
		}
		result.Rows += record.NumRows()
		result.Batches++
		result.LastAppMetadata = string(reader.LatestAppMetadata())
		if wanted {
			if err := writeRows(text, record); err != nil {
				return err
			}
		}
		if o.maxBatches > 0 && result.Batches >= int64(o.maxBatches) {
			return nil
		}
	}
}

func collect[T any](receive func() (T, error), describe func(T) (any, error)) ([]any, error) {
	items := []any{}
	for {
		item, err := receive()
		if errors.Is(err, io.EOF) {
			return items, nil
		}
		if err != nil {
			return items, err
		}
		described, err := describe(item)
		if err != nil {
			return items, err
		}
		items = append(items, described)
	}
}
