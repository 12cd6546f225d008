// Calls control servers and prints how long the answers take; or is a server that does nothing, as the floor.
//
//	go-control serve                        listens on a free port of loopback, prints it, answers every unary call
//	go-control load -floor A -target B -session ID [-calls N] [-filters N]
//	go-control probes -floor-http A -target-http B -floor C -target D [-calls N]
//
// The calls to floor and target alternate, one at a time, so that both meet the same machine. Messages are raw bytes:
// what is measured is the server, not a codec.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

const service = "/contractdata.v1.ControlService/"

// rawCodec passes bytes through.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// Answers of about the size of the real ones.
var answers = map[string][]byte{
	service + "GetStatus":  make([]byte, 24),
	service + "GetMetrics": make([]byte, 96),
	healthCheck:            make([]byte, 2),
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error {
			method, _ := grpc.MethodFromServerStream(stream)
			var request []byte
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			answer := answers[method]
			return stream.SendMsg(&answer)
		}))
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with its parent
		os.Exit(0)
	}()
	check(server.Serve(listener))
}

// field writes one length-delimited field.
func field(number int, value []byte) []byte {
	return append([]byte{byte(number<<3 | 2), byte(len(value))}, value...)
}

type quantiles struct {
	Calls int     `json:"calls"`
	P50   float64 `json:"p50Ms"`
	P99   float64 `json:"p99Ms"`
	Max   float64 `json:"maxMs"`
}

func summary(times []time.Duration) quantiles {
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	at := func(part float64) float64 {
		index := min(len(times)-1, int(part*float64(len(times))))
		return float64(times[index]) / float64(time.Millisecond)
	}
	return quantiles{len(times), at(0.5), at(0.99), at(1)}
}

func load(arguments []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	floorAddress := flags.String("floor", "", "address of the floor")
	targetAddress := flags.String("target", "", "address of the server that is measured")
	session := flags.String("session", "", "a session of it")
	calls := flags.Int("calls", 2000, "calls of each kind")
	filters := flags.Int("filters", 0, "ConfigureFilters calls, instead of the others")
	_ = flags.Parse(arguments)

	floor, target := dial(*floorAddress), dial(*targetAddress)
	id := field(1, []byte(*session))
	times := map[string][]time.Duration{}
	timed := func(name string, connection *grpc.ClientConn, method string, request []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		var answer []byte
		begun := time.Now()
		check(connection.Invoke(ctx, service+method, &request, &answer, grpc.ForceCodecV2(rawCodec{})))
		times[name] = append(times[name], time.Since(begun))
	}
	if *filters > 0 {
		for i := range *filters {
			code := []byte(fmt.Sprintf("C%d", i)) // each another filter, so that each is a change
			timed("ConfigureFilters", target, "ConfigureFilters", append(field(2, code), field(5, []byte(*session))...))
		}
	} else {
		for i := range *calls + *calls/10 {
			if i == *calls/10 {
				clear(times) // the first ones warmed both up
			}
			timed("floor GetStatus", floor, "GetStatus", id)
			timed("GetStatus", target, "GetStatus", id)
			timed("floor GetMetrics", floor, "GetMetrics", id)
			timed("GetMetrics", target, "GetMetrics", id)
		}
	}
	result := map[string]quantiles{}
	for name, each := range times {
		result[name] = summary(each)
	}
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func dial(address string) *grpc.ClientConn {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	return connection
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	encoding.RegisterCodecV2(rawCodec{})
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve()
	} else if len(os.Args) > 1 && os.Args[1] == "load" {
		load(os.Args[2:])
	} else if len(os.Args) > 1 && os.Args[1] == "probes" {
		probes(os.Args[2:])
	} else {
		fmt.Fprintln(os.Stderr, "usage: go-control serve | load [flags] | probes [flags]")
		os.Exit(2)
	}
}
