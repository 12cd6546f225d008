package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
)

const healthCheck = "/grpc.health.v1.Health/Check"

// probes times what probes ask: /health and /ready of both HTTP servers, and Check of both gRPC servers, in turns.
func probes(arguments []string) {
	flags := flag.NewFlagSet("probes", flag.ExitOnError)
	floorHTTP := flags.String("floor-http", "", "address of the floor's HTTP")
	targetHTTP := flags.String("target-http", "", "address of the measured server's HTTP")
	floorAddress := flags.String("floor", "", "address of the floor's gRPC")
	targetAddress := flags.String("target", "", "address of the measured server's gRPC")
	calls := flags.Int("calls", 2000, "calls of each kind")
	_ = flags.Parse(arguments)

	times := map[string][]time.Duration{}
	get := func(name, address, path string) {
		begun := time.Now()
		answer, err := http.Get("http://" + address + path)
		check(err)
		_, err = io.Copy(io.Discard, answer.Body)
		check(err)
		times[name] = append(times[name], time.Since(begun))
		answer.Body.Close()
	}
	floor, target := dial(*floorAddress), dial(*targetAddress)
	ask := func(name string, connection *grpc.ClientConn) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		var request, answer []byte
		begun := time.Now()
		check(connection.Invoke(ctx, healthCheck, &request, &answer, grpc.ForceCodecV2(rawCodec{})))
		times[name] = append(times[name], time.Since(begun))
	}
	for i := range *calls + *calls/10 {
		if i == *calls/10 {
			clear(times) // the first ones warmed both up
		}
		for _, path := range []string{"/health", "/ready"} {
			get("floor "+path, *floorHTTP, path)
			get(path, *targetHTTP, path)
		}
		ask("floor grpc.health", floor)
		ask("grpc.health", target)
	}
	result := map[string]quantiles{}
	for name, each := range times {
		result[name] = summary(each)
	}
	check(json.NewEncoder(os.Stdout).Encode(result))
}
