// Package rawledger is the wire of raw_ledger_service.RawLedgerService, by hand: one message of a varint and bytes.
package rawledger

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

const method = "/raw_ledger_service.RawLedgerService/StreamRawLedgers"

// Frame is a message that is encoded already, or not decoded yet.
type Frame struct{ Bytes []byte }

// Codec passes frames through.
type Codec struct{}

func (Codec) Name() string { return "proto" }

func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*Frame).Bytes)}, nil
}

func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*Frame).Bytes = data.Materialize()
	return nil
}

// Encode makes a RawLedger message.
func Encode(sequence uint32, ledger []byte) *Frame {
	b := make([]byte, 0, len(ledger)+16)
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(sequence))
	b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), ledger)
	return &Frame{b}
}

// StartLedger of a StreamLedgersRequest.
func (f *Frame) StartLedger() uint32 {
	_, _, n := protowire.ConsumeTag(f.Bytes)
	v, _ := protowire.ConsumeVarint(f.Bytes[n:])
	return uint32(v)
}

// Service serves StreamRawLedgers by send, which is asked for one message after the other.
func Service(send func(start uint32, stream grpc.ServerStream) error) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "raw_ledger_service.RawLedgerService",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    "StreamRawLedgers",
			ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error {
				var request Frame
				if err := stream.RecvMsg(&request); err != nil {
					return err
				}
				return send(request.StartLedger(), stream)
			},
		}},
	}
}

// Read asks for the ledgers from first on and gives each one's bytes up to last.
func Read(ctx context.Context, address string, first, last uint32, window int32, bytesMax int, each func([]byte), options ...grpc.DialOption) error {
	options = append(options, grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(bytesMax), grpc.ForceCodecV2(Codec{})))
	connection, err := grpc.NewClient(address, options...)
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return err
	}
	request := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(first))
	if err := stream.SendMsg(&Frame{request}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for want := first; want <= last; want++ {
		var frame Frame
		if err := stream.RecvMsg(&frame); err != nil {
			return err
		}
		_, _, n := protowire.ConsumeTag(frame.Bytes)
		sequence, m := protowire.ConsumeVarint(frame.Bytes[n:])
		n += m
		if uint32(sequence) != want {
			return fmt.Errorf("ledger %d came where %d should", sequence, want)
		}
		_, _, m = protowire.ConsumeTag(frame.Bytes[n:])
		bytes, _ := protowire.ConsumeBytes(frame.Bytes[n+m:])
		each(bytes)
	}
	return nil
}
