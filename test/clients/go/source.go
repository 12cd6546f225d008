package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
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
//
// With -gzip it compresses; with -ping it asks idle connections so often whether they are there; with -metadata it sends so many
// bytes of it before and behind the ledgers; with -goaway-at it tells the connection at that many ledgers that it will
// end, and goes on; with -end it ends the stream after -count ledgers with that status.
//
// With -renumber the ledgers are a chain, each made of -file, and the first is the one asked for.
//
// With -records it serves the ledgers of a file, each behind its length (4 bytes, big-endian), numbered from -first on,
// and begins with the one asked for; what is not in the file yet is looked for every 10 ms.
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
	renumber := flags.String("renumber", "", "offsets in -file: number, hash before, own hash, header, header's end")
	compressed := flags.Bool("gzip", false, "compress messages")
	ping := flags.Duration("ping", 0, "time between pings of an idle connection, 1s or more")
	extra := flags.Int("metadata", 0, "bytes of metadata")
	goawayAt := flags.Uint64("goaway-at", math.MaxUint64, "ledgers before GOAWAY")
	end := flags.Int("end", -1, "status code to end with")
	records := flags.String("records", "", "a file of ledgers, in place of -size and -count")
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
	var server *grpc.Server
	stream := func(_ any, stream grpc.ServerStream) error {
		request := &frame{}
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		given, _ := metadata.FromIncomingContext(stream.Context())
		if values := given.Get("authorization"); *authorization != "" && (len(values) != 1 || values[0] != *authorization) {
			return status.Errorf(codes.Unauthenticated, "who is %v?", values)
		}
		if *compressed {
			if err := grpc.SetSendCompressor(stream.Context(), gzip.Name); err != nil {
				return err
			}
		}
		if *extra > 0 {
			stream.SetHeader(metadata.Pairs("x-extra", strings.Repeat("x", *extra), "x-unicode-bin", "\x00\xff"))
			stream.SetTrailer(metadata.Pairs("x-extra", strings.Repeat("x", *extra)))
		}
		if *records != "" {
			return sendRecords(stream, *records, *first, startLedger(request.bytes), &sent)
		}
		first := *first
		var chain *chain
		if *renumber != "" {
			first = startLedger(request.bytes)
			chain = newChain(ledger, *renumber)
		}
		for sequence := first; sequence-first < *count; sequence++ {
			if sequence-first == *goawayAt {
				go server.GracefulStop() // waits for this stream
			}
			bytes := ledger
			if chain != nil {
				bytes = chain.next(uint32(sequence))
			}
			if err := sendLedger(stream, sequence, bytes); err != nil {
				return err
			}
			sent.Add(1)
		}
		if *end >= 0 {
			return status.Error(codes.Code(*end), "ended on purpose: 100 % \u00fc")
		}
		<-stream.Context().Done()
		return nil
	}
	options := []grpc.ServerOption{grpc.ForceServerCodecV2(frameCodec{})}
	if *cert != "" {
		options = append(options, grpc.Creds(credentials.NewTLS(tlsConfig(*cert, *key, *clientCa))))
	}
	if *ping > 0 {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{Time: *ping, Timeout: *ping}))
	}
	server = grpc.NewServer(options...)
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

// chain makes ledgers of one, each with its number and the hash of the one before.
type chain struct {
	ledger                                   []byte
	number, before, hash, header, headersEnd int
	last                                     [sha256.Size]byte
}

func newChain(ledger []byte, offsets string) *chain {
	c := &chain{ledger: ledger}
	if _, err := fmt.Sscanf(offsets, "%d,%d,%d,%d,%d", &c.number, &c.before, &c.hash, &c.header, &c.headersEnd); err != nil {
		fail(err.Error())
	}
	return c
}

func (c *chain) next(sequence uint32) []byte {
	bytes := slices.Clone(c.ledger)
	binary.BigEndian.PutUint32(bytes[c.number:], sequence)
	copy(bytes[c.before:], c.last[:])
	c.last = sha256.Sum256(bytes[c.header:c.headersEnd])
	copy(bytes[c.hash:], c.last[:])
	return bytes
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

func sendLedger(stream grpc.ServerStream, sequence uint64, ledger []byte) error {
	message := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), sequence)
	message = protowire.AppendBytes(protowire.AppendTag(message, 2, protowire.BytesType), ledger)
	return stream.SendMsg(&frame{message})
}

// startLedger reads field 1 of StreamLedgersRequest, its only one.
func startLedger(request []byte) uint64 {
	_, _, tag := protowire.ConsumeTag(request)
	if tag < 0 {
		return 0
	}
	start, _ := protowire.ConsumeVarint(request[tag:])
	return start
}

func sendRecords(stream grpc.ServerStream, path string, sequence, start uint64, sent *atomic.Int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for at := int64(0); ; sequence++ {
		var length [4]byte
		for {
			if n, _ := file.ReadAt(length[:], at); n == len(length) {
				break
			}
			select {
			case <-stream.Context().Done():
				return stream.Context().Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		ledger := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := file.ReadAt(ledger, at+4); err != nil {
			return err // the file grows by whole ledgers
		}
		at += 4 + int64(len(ledger))
		if sequence < start {
			continue
		}
		if err := sendLedger(stream, sequence, ledger); err != nil {
			return err
		}
		sent.Add(1)
	}
}
