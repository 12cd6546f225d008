package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
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

// source serves RawLedgerService at -addr, by default on a free port of 127.0.0.1: -count numbers from -first on, each with
// the same bytes (those of -file, or -size zeros), as fast as the reader lets it. With -cert and -key it speaks TLS, with -client-ca to clients
// with a certificate alone; with -authorization it refuses whoever does not send that. It prints {"addr"} first, and then {"sent"}, the messages that
// grpc-go has taken for all streams, every 50 ms.
func source(args []string) {
	flags := flag.NewFlagSet("source", flag.ExitOnError)
	size := flags.Int("size", 1<<20, "bytes of a ledger")
	file := flags.String("file", "", "a ledger's bytes, in place of -size")
	addr := flags.String("addr", "127.0.0.1:0", "host:port to listen at")
	count := flags.Uint64("count", math.MaxUint64, "ledgers; then the stream stays open without any")
	first := flags.Uint64("first", 1, "number of the first ledger")
	cert := flags.String("cert", "", "PEM file of the server's certificate")
	key := flags.String("key", "", "PEM file of its key")
	clientCa := flags.String("client-ca", "", "PEM file of the authority that clients' certificates are from")
	authorization := flags.String("authorization", "", "what clients send as authorization")
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
		given, _ := metadata.FromIncomingContext(stream.Context())
		if values := given.Get("authorization"); *authorization != "" && (len(values) != 1 || values[0] != *authorization) {
			return status.Error(codes.Unauthenticated, "who are you?")
		}
		for sequence := *first; sequence-*first < *count; sequence++ {
			message := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), sequence)
			message = protowire.AppendBytes(protowire.AppendTag(message, 2, protowire.BytesType), ledger)
			if err := stream.SendMsg(&frame{message}); err != nil {
				return err
			}
			sent.Add(1)
		}
		<-stream.Context().Done()
		return nil
	}
	options := []grpc.ServerOption{grpc.ForceServerCodecV2(frameCodec{})}
	if *cert != "" {
		options = append(options, grpc.Creds(credentials.NewTLS(tlsConfig(*cert, *key, *clientCa))))
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "raw_ledger_service.RawLedgerService",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "StreamRawLedgers", Handler: stream, ServerStreams: true}},
	}, nil)
	listener, err := net.Listen("tcp", *addr)
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

func tlsConfig(cert, key, clientCa string) *tls.Config {
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		fail(err.Error())
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}}
	if clientCa != "" {
		pem, err := os.ReadFile(clientCa)
		if err != nil {
			fail(err.Error())
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
	}
	return config
}
