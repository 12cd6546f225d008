// Command flightserver is the arrow-go server of `make bench-flight`: DoGet of a ticket "<body bytes>:<batches>" answers
// with that many record batches of one int64 column. With the files of a
// certificate and its key it speaks TLS. Prints its port.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

type server struct{ flight.BaseFlightServer }

func (*server) DoGet(ticket *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	parts := strings.Split(string(ticket.GetTicket()), ":")
	bytes, err := strconv.Atoi(parts[0])
	if err != nil || len(parts) != 2 {
		return status.Error(codes.InvalidArgument, "ticket: <body bytes>:<batches>")
	}
	batches, err := strconv.Atoi(parts[1])
	if err != nil {
		return status.Error(codes.InvalidArgument, "ticket: <body bytes>:<batches>")
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "number", Type: arrow.PrimitiveTypes.Int64}}, nil)
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	for i := 0; i < bytes/8; i++ {
		builder.Append(int64(i))
	}
	column := builder.NewArray()
	record := array.NewRecord(schema, []arrow.Array{column}, int64(column.Len()))
	writer := flight.NewRecordWriter(stream, ipc.WithSchema(schema))
	for i := 0; i < batches; i++ {
		if err := writer.Write(record); err != nil {
			return err
		}
	}
	return writer.Close()
}

func main() {
	var options []grpc.ServerOption
	if len(os.Args) > 2 {
		transport, err := credentials.NewServerTLSFromFile(os.Args[1], os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		options = append(options, grpc.Creds(transport))
	}
	srv := flight.NewServerWithMiddleware(nil, options...)
	if err := srv.Init("127.0.0.1:0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	srv.RegisterFlightService(&server{})
	fmt.Println(strings.Split(srv.Addr().String(), ":")[1])
	if err := srv.Serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
