package jackfield

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	pb "github.com/jackfield/jackfield/sdk/go/pluginv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// largestPart is how much of an answer goes in one message.
const largestPart = 256 * 1024

type callerKey struct{}

// CallerOf is who asks an endpoint, in its handler: nil where it is public and no key came.
func CallerOf(ctx context.Context) *Caller {
	found, _ := ctx.Value(callerKey{}).(*Caller)
	return found
}

func (s *server) openEndpoints(told *pb.Loaded) {
	provider, ok := s.plugin.(EndpointProvider)
	if !ok {
		return
	}
	s.endpoints = provider.Endpoints()
	for _, one := range s.endpoints {
		told.Endpoints = append(told.Endpoints, &pb.Endpoint{
			Path: one.Path, Methods: one.Methods, Public: one.Public, Description: one.Description,
		})
	}
}

type endpointServer struct{ *server }

func (s endpointServer) Serve(request *pb.EndpointRequest, stream grpc.ServerStreamingServer[pb.EndpointReply]) error {
	for _, one := range s.endpoints {
		if one.Path == request.Endpoint && one.answers(request.Method) {
			return s.serve(one, request, stream)
		}
	}
	return status.Errorf(codes.NotFound, "there is no endpoint %s %s", request.Method, request.Endpoint)
}

func (e Endpoint) answers(method string) bool {
	if len(e.Methods) == 0 {
		return method == http.MethodGet
	}
	return slices.Contains(e.Methods, method)
}

func (s endpointServer) serve(one Endpoint, request *pb.EndpointRequest, stream grpc.ServerStreamingServer[pb.EndpointReply]) (failed error) {
	asked := readRequest(s.context(stream.Context()), request)
	writer := &replyWriter{stream: stream, header: http.Header{}}
	// As net/http does: what panics is the end of its own request.
	defer func() {
		if raised := recover(); raised != nil {
			failed = status.Errorf(codes.Internal, "the handler panicked: %v", raised)
		}
	}()
	one.Handler.ServeHTTP(writer, asked)
	writer.WriteHeader(http.StatusOK)
	return writer.failed
}

// readRequest makes a request of which the path is that of the endpoint, as if it stood at the root.
func readRequest(own *Context, request *pb.EndpointRequest) *http.Request {
	path := strings.TrimPrefix(request.Path, request.Base)
	target := &url.URL{Path: path, RawQuery: string(request.Query)}
	asked := &http.Request{
		Method: request.Method, URL: target, RequestURI: target.RequestURI(), Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(request.Body)),
	}
	if len(request.Body) > 0 {
		asked.Body = readCloser{bytes.NewReader(request.Body)}
	}
	for _, header := range request.Headers {
		asked.Header.Add(header.Name, header.Value)
	}
	asked.Host = asked.Header.Get("Host")
	for name, value := range request.Parameters {
		asked.SetPathValue(name, value)
	}
	ctx := context.WithValue(own.Context, callerKey{}, readCaller(request.Caller))
	return asked.WithContext(ctx)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// replyWriter sends what a handler writes, as it writes it.
type replyWriter struct {
	stream grpc.ServerStreamingServer[pb.EndpointReply]
	header http.Header
	begun  bool
	failed error
}

func (w *replyWriter) Header() http.Header { return w.header }

// WriteHeader passes on no status that says that another follows.
func (w *replyWriter) WriteHeader(code int) {
	if w.begun || code < 200 && code >= 100 {
		return
	}
	w.begun = true
	told := &pb.EndpointReply{Status: uint32(code)}
	for name, values := range w.header {
		for _, value := range values {
			told.Headers = append(told.Headers, &pb.Header{Name: strings.ToLower(name), Value: value})
		}
	}
	w.failed = w.stream.Send(told)
}

func (w *replyWriter) Write(data []byte) (int, error) {
	if !w.begun && w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", http.DetectContentType(data))
	}
	w.WriteHeader(http.StatusOK)
	for part := range slices.Chunk(data, largestPart) {
		if w.failed == nil {
			w.failed = w.stream.Send(&pb.EndpointReply{Body: part})
		}
	}
	if w.failed != nil {
		return 0, fmt.Errorf("the client has gone: %w", w.failed)
	}
	return len(data), nil
}

func (w *replyWriter) Flush() {}
