// rawsource serves the ledgers of files of frames (4-byte big-endian length, then one LedgerCloseMeta) by grpc-go as a
// RawLedgerService does, over and over, renumbered from the ledger asked for. It prints the address that it listens on.
//
//	rawsource [-restart-every N] FILE
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/stellar/go-stellar-sdk/xdr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bench/internal/rawledger"
)

type template struct {
	bytes []byte
	at    int // of header.ledgerSeq
}

func load(path string) ([]template, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []template
	for len(file) > 0 {
		n := int(binary.BigEndian.Uint32(file))
		bytes := file[4 : 4+n]
		file = file[4+n:]
		var meta xdr.LedgerCloseMeta
		if err := meta.UnmarshalBinary(bytes); err != nil {
			return nil, err
		}
		header := meta.LedgerHeaderHistoryEntry()
		whole, err := header.MarshalBinary()
		if err != nil {
			return nil, err
		}
		value, err := header.Header.ScpValue.MarshalBinary()
		if err != nil {
			return nil, err
		}
		// hash, version, previous hash, value, two hashes; the header ends the same way in every version of the meta
		inside := 32 + 4 + 32 + len(value) + 32 + 32
		at := -1
		for from := 4; from+len(whole) <= min(n, 1<<16); from += 4 {
			if string(bytes[from:from+len(whole)]) == string(whole) {
				at = from + inside
				break
			}
		}
		if at < 0 || binary.BigEndian.Uint32(bytes[at:]) != meta.LedgerSequence() {
			return nil, fmt.Errorf("no header found in ledger %d", meta.LedgerSequence())
		}
		all = append(all, template{bytes, at})
	}
	return all, nil
}

func main() {
	restartEvery := flag.Uint("restart-every", 0, "answer UNAVAILABLE after so many ledgers")
	flag.Parse()
	templates, err := load(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawledger.Codec{}))
	server.RegisterService(rawledger.Service(func(start uint32, stream grpc.ServerStream) error {
		for n := uint32(0); ; n++ {
			if *restartEvery > 0 && n >= uint32(*restartEvery) {
				return status.Error(codes.Unavailable, "the source restarts")
			}
			t := templates[(start+n)%uint32(len(templates))]
			frame := rawledger.Encode(start+n, t.bytes)
			binary.BigEndian.PutUint32(frame.Bytes[len(frame.Bytes)-len(t.bytes)+t.at:], start+n)
			if err := stream.SendMsg(frame); err != nil {
				return err
			}
		}
	}), nil)
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
