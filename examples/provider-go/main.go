// A provider over HTTP in Go: it relays to any server with the OpenAI API. It needs nothing but the standard library.
//
//	go run . --port 9314
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const grace = 5 * time.Second

func main() {
	host := flag.String("host", "127.0.0.1", "the address to listen on")
	port := flag.String("port", cmp.Or(os.Getenv("PORT"), "9314"), "0 for a free one")
	flag.Parse()
	if err := listen(net.JoinHostPort(*host, *port)); err != nil {
		fmt.Fprintln(os.Stderr, "relay-go:", err)
		os.Exit(1)
	}
}

// listen serves until the process is told to end, and lets what is under way finish first.
func listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: newRelay(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second}
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-told.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(ending); errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return nil
}
