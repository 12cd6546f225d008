package main

import (
	"encoding/json"
	"flag"
	"net"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// frame is a message that is already encoded.
type frame struct{ bytes []byte }

type frameCodec struct{}

func (frameCodec) Name() string { return "proto" }
func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*frame).bytes)}, nil
}
func (frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*frame).bytes = data.Materialize()
	return nil
}

// source serves RawLedgerService on a free port of 127.0.0.1: numbers from 1 on, each with the same bytes (those of
// -file, or -size zeros), as fast as the reader lets it. It prints {"addr"} first, and then {"sent"}, the messages that
// grpc-go has taken for all streams, every 50 ms.
func source(args []string) {
	flags := flag.NewFlagSet("source", flag.ExitOnError)
	size := flags.Int("size", 1<<20, "bytes of a ledger")
	file := flags.String("file", "", "a ledger's bytes, in place of -size")
	flags.Parse(args)
	ledger := make([]byte, *size)
	if *file != "" {
		read, err := os.ReadFile(*file)
		if err != nil {
			fail(err.Error())
		}
		ledger = read
	}
	var sent atomic.Int64
	stream := func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&frame{}); err != nil {
			return err
		}
		for sequence := uint64(1); ; sequence++ {
			message := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), sequence)
			message = protowire.AppendBytes(protowire.AppendTag(message, 2, protowire.BytesType), ledger)
			if err := stream.SendMsg(&frame{message}); err != nil {
				return err
			}
			sent.Add(1)
		}
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(frameCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "raw_ledger_service.RawLedgerService",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "StreamRawLedgers", Handler: stream, ServerStreams: true}},
	}, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	output := json.NewEncoder(os.Stdout)
	output.Encode(map[string]string{"addr": listener.Addr().String()})
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			output.Encode(map[string]int64{"sent": sent.Load()})
		}
	}()
	if err := server.Serve(listener); err != nil {
		fail(err.Error())
	}
}
