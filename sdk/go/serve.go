package jackfield

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Handshake is what the gateway and a plugin know each other by.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "JACKFIELD_PLUGIN",
	MagicCookieValue: "2f8a1c6e-jackfield-plugin-v1",
}

// PluginName is the name that the plugin is served under.
const PluginName = "jackfield"

const (
	largestMessage = 17 << 20
	listenVariable = "JACKFIELD_LISTEN"
)

// Serve answers the gateway that started this process, until it has it end. A process that is started by hand listens
// where JACKFIELD_LISTEN says (unix:/path, or 127.0.0.1:port), which is the address that jackfield.toml takes.
func Serve(made Plugin) {
	if address := os.Getenv(listenVariable); address != "" {
		if err := serveAt(made, address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	plugin.Serve(config(made))
}

// Plugins is what a host of go-plugin dispenses the plugin from; tests do.
func Plugins(made Plugin) map[string]plugin.Plugin {
	return map[string]plugin.Plugin{PluginName: &grpcPlugin{made: made}}
}

func config(made Plugin) *plugin.ServeConfig {
	return &plugin.ServeConfig{
		HandshakeConfig: Handshake,
		Plugins:         Plugins(made),
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
		GRPCServer:      newGRPCServer,
	}
}

func newGRPCServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(largestMessage), grpc.MaxSendMsgSize(largestMessage))...)
}

// serveAt has neither handshake nor broker: whoever reaches the address is the gateway.
func serveAt(made Plugin, address string) error {
	network, place := "tcp", address
	if path, isPath := strings.CutPrefix(address, "unix:"); isPath {
		network, place = "unix", path
	}
	listener, err := net.Listen(network, place)
	if err != nil {
		return err
	}
	serving := newGRPCServer(nil)
	well := health.NewServer()
	well.SetServingStatus(plugin.GRPCServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(serving, well)
	newServer(made, nil).register(serving)
	return serving.Serve(listener)
}

type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	made Plugin
}

func (p *grpcPlugin) GRPCServer(broker *plugin.GRPCBroker, to *grpc.Server) error {
	newServer(p.made, broker).register(to)
	return nil
}

// GRPCClient is the connection and the broker, for tests in Go.
func (p *grpcPlugin) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, connection *grpc.ClientConn) (any, error) {
	return &Client{Connection: connection, Broker: broker}, nil
}

// Client is the gateway's end of a plugin.
type Client struct {
	Connection *grpc.ClientConn
	Broker     *plugin.GRPCBroker
}
