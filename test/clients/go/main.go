// Command flightclient is the arrow-go client of the tests: it reads a Flight server with default dial options and
// prints one JSON object a line. test/clients/python/flight_client.py is its twin; README.md beside this folder
// describes both.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

type options struct {
	addr       string
	ticket     string
	path       string
	cmd        string
	criteria   string
	actionType string
	body       string
	rowsOut    string
	hash       bool
	progress   bool
	maxSeconds float64
	maxBatches int
	repeat     int
	login      string
	ca         string
	cert       string
	key        string
}

type callError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: flightclient get|info|poll|schema|list|action -addr HOST:PORT [flags], or source [flags]")
	}
	if os.Args[1] == "source" {
		source(os.Args[2:])
		return
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.addr, "addr", "", "server, HOST:PORT")
	flags.StringVar(&o.ticket, "ticket", "", "get: text of the ticket")
	flags.StringVar(&o.path, "path", "", "descriptor path, parts separated by commas")
	flags.StringVar(&o.cmd, "cmd", "", "descriptor command, in place of -path")
	flags.StringVar(&o.criteria, "criteria", "", "list: criteria expression")
	flags.StringVar(&o.actionType, "type", "", "action: type; empty lists the actions")
	flags.StringVar(&o.body, "body", "", "action: body text")
	flags.StringVar(&o.rowsOut, "rows-out", "", "get: write all rows as text to this file")
	flags.BoolVar(&o.progress, "progress", false, "anywhere: print the rows of each batch to stderr")
	flags.BoolVar(&o.hash, "hash", false, "get: hash the text of all rows")
	flags.Float64Var(&o.maxSeconds, "max-seconds", 60, "deadline of each call in seconds")
	flags.IntVar(&o.maxBatches, "max-batches", 0, "get: cancel after this many batches (0: read all)")
	flags.IntVar(&o.repeat, "repeat", 1, "times to run, each on a fresh connection")
	flags.StringVar(&o.login, "login", "", "NAME:PASSWORD, turned into a token by Handshake")
	flags.StringVar(&o.ca, "ca", "", "connect by TLS, and trust the authorities of this file")
	flags.StringVar(&o.cert, "cert", "", "file of the client's certificate")
	flags.StringVar(&o.key, "key", "", "file of its key")
	flags.Parse(os.Args[2:])
	if o.addr == "" {
		fail("flightclient: -addr is missing")
	}

	run := map[string]func(context.Context, flight.Client, *options) (any, error){
		"get": get, "anywhere": anywhere, "info": info, "poll": poll, "schema": schema, "list": list, "action": action,
	}[os.Args[1]]
	if run == nil {
		fail("flightclient: unknown subcommand " + os.Args[1])
	}
	failed := false
	for i := 0; i < o.repeat; i++ {
		result, err := once(run, &o)
		if err != nil {
			failed = true
			s := status.Convert(err)
			if result == nil {
				result = map[string]any{}
			}
			result = map[string]any{"error": callError{s.Code().String(), s.Message()}, "partial": result}
		}
		line, err := json.Marshal(result)
		if err != nil {
			fail(err.Error())
		}
		fmt.Println(string(line))
	}
	if failed {
		os.Exit(1)
	}
}

func once(run func(context.Context, flight.Client, *options) (any, error), o *options) (any, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	// The only dial option is the one without which grpc-go refuses to dial: windows and sizes stay at the defaults.
	client, err := flight.NewClientWithMiddleware(o.addr, nil, nil,
		grpc.WithTransportCredentials(transport))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.maxSeconds*float64(time.Second)))
	defer cancel()
	if name, password, found := strings.Cut(o.login, ":"); found {
		if ctx, err = client.AuthenticateBasicToken(ctx, name, password); err != nil {
			return nil, err
		}
	}
	return run(ctx, client, o)
}

func transportOf(o *options) (credentials.TransportCredentials, error) {
	if o.ca == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(pem)
	if o.cert != "" {
		own, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		// Shown whatever authorities the server names, so that tests see how it judges.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return credentials.NewTLS(config), nil
}

func descriptor(o *options) *flight.FlightDescriptor {
	if o.cmd != "" {
		return &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(o.cmd)}
	}
	return &flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: strings.Split(o.path, ",")}
}

func info(ctx context.Context, client flight.Client, o *options) (any, error) {
	flightInfo, err := client.GetFlightInfo(ctx, descriptor(o))
	if err != nil {
		return nil, err
	}
	return describeInfo(flightInfo)
}

// poll asks until the flight is complete; progress is that of each answer.
func poll(ctx context.Context, client flight.Client, o *options) (any, error) {
	progress := []float64{}
	for d := descriptor(o); ; {
		answer, err := client.PollFlightInfo(ctx, d)
		if err != nil {
			return nil, err
		}
		progress = append(progress, answer.GetProgress())
		if d = answer.GetFlightDescriptor(); d == nil {
			described, err := describeInfo(answer.GetInfo())
			return map[string]any{"info": described, "progress": progress}, err
		}
	}
}

func schema(ctx context.Context, client flight.Client, o *options) (any, error) {
	result, err := client.GetSchema(ctx, descriptor(o))
	if err != nil {
		return nil, err
	}
	parsed, err := flight.DeserializeSchema(result.GetSchema(), allocator)
	if err != nil {
		return nil, err
	}
	return map[string]any{"schema": describeSchema(parsed)}, nil
}

func list(ctx context.Context, client flight.Client, o *options) (any, error) {
	stream, err := client.ListFlights(ctx, &flight.Criteria{Expression: []byte(o.criteria)})
	if err != nil {
		return nil, err
	}
	flights, err := collect(stream.Recv, describeInfo)
	return map[string]any{"flights": flights}, err
}

func action(ctx context.Context, client flight.Client, o *options) (any, error) {
	if o.actionType == "" {
		stream, err := client.ListActions(ctx, &flight.Empty{})
		if err != nil {
			return nil, err
		}
		types, err := collect(stream.Recv, func(t *flight.ActionType) (any, error) {
			return map[string]string{"type": t.GetType(), "description": t.GetDescription()}, nil
		})
		return map[string]any{"actions": types}, err
	}
	stream, err := client.DoAction(ctx, &flight.Action{Type: o.actionType, Body: []byte(o.body)})
	if err != nil {
		return nil, err
	}
	results, err := collect(stream.Recv, func(r *flight.Result) (any, error) { return string(r.GetBody()), nil })
	return map[string]any{"results": results}, err
}

type endpoint struct {
	Ticket      string   `json:"ticket"`
	Locations   []string `json:"locations"`
	AppMetadata string   `json:"appMetadata"`
	Expires     int64    `json:"expires"` // seconds since 1970; 0: never
}

func describeInfo(info *flight.FlightInfo) (any, error) {
	endpoints := []endpoint{}
	for _, e := range info.GetEndpoint() {
		locations := []string{}
		for _, location := range e.GetLocation() {
			locations = append(locations, location.GetUri())
		}
		endpoints = append(endpoints, endpoint{
			string(e.GetTicket().GetTicket()), locations, string(e.GetAppMetadata()), e.GetExpirationTime().GetSeconds(),
		})
	}
	var fields any
	if len(info.GetSchema()) > 0 {
		parsed, err := flight.DeserializeSchema(info.GetSchema(), allocator)
		if err != nil {
			return nil, err
		}
		fields = describeSchema(parsed)
	}
	return map[string]any{
		"schema":       fields,
		"path":         append([]string{}, info.GetFlightDescriptor().GetPath()...),
		"cmd":          string(info.GetFlightDescriptor().GetCmd()),
		"endpoints":    endpoints,
		"totalRecords": info.GetTotalRecords(),
		"totalBytes":   info.GetTotalBytes(),
		"ordered":      info.GetOrdered(),
		"appMetadata":  string(info.GetAppMetadata()),
	}, nil
}

type field struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Nullable bool              `json:"nullable"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

type schemaText struct {
	Fields   []field           `json:"fields"`
	Metadata map[string]string `json:"metadata"`
}

func describeSchema(s *arrow.Schema) schemaText {
	fields := []field{}
	for _, f := range s.Fields() {
		fields = append(fields, field{f.Name, typeText(f.Type), f.Nullable, f.Metadata.ToMap()})
	}
	return schemaText{fields, s.Metadata().ToMap()}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}
