// rawsource serves the ledgers of files of frames (4-byte big-endian length, then one LedgerCloseMeta) by grpc-go as a
// RawLedgerService does, over and over, renumbered from the ledger asked for. It prints the address that it listens on.
//
//	rawsource [-restart-every N] FILE
//
// The chain of ledgers holds in each stream, not from one to the next: with -restart-every, read with VERIFY_CHAIN=off.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bench/internal/rawledger"
	"bench/internal/template"
)

func main() {
	restartEvery := flag.Uint("restart-every", 0, "answer UNAVAILABLE after so many ledgers")
	flag.Parse()
	templates, err := template.Load(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawledger.Codec{}))
	server.RegisterService(rawledger.Service(func(start uint32, stream grpc.ServerStream) error {
		var hash template.Hash
		for n := uint32(0); ; n++ {
			if *restartEvery > 0 && n >= uint32(*restartEvery) {
				return status.Error(codes.Unavailable, "the source restarts")
			}
			frame, own := templates[(start+n)%uint32(len(templates))].Frame(start+n, hash)
			if err := stream.SendMsg(frame); err != nil {
				return err
			}
			hash = own
		}
	}), nil)
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
