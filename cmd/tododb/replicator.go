package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/replicate"
)

// replicatorSettings reads the scheduler's settings from [replicator].
func replicatorSettings(cfg *config.Config) replicate.Settings {
	number := func(name string) int { return int(cfg.Int("replicator", name)) }
	milliseconds := func(name string) time.Duration { return time.Duration(number(name)) * time.Millisecond }
	list := func(name string) []string { return append([]string{}, cfg.List("replicator", name)...) } // not nil: an empty one allows nothing
	jitter := milliseconds("startup_jitter")
	if jitter == 0 {
		jitter = -1 // at once; 0 would mean the default
	}
	return replicate.Settings{
		MaxJobs: number("max_jobs"), Interval: milliseconds("interval"), MaxChurn: number("max_churn"),
		StartupJitter: jitter, MaxHistory: number("max_history"),
		UpdateDocs: cfg.Bool("replicator", "update_docs"), Headers: access.ReplicationHeaders(cfg),
		Networks: replicate.Networks{
			Allowed: cfg.Networks("replicator", "allowed_networks"), Refused: cfg.Networks("replicator", "refused_networks"),
			Protocols: list("valid_endpoint_protocols"), ProxyProtocols: list("valid_proxy_protocols"),
			AllowedPorts: ports(cfg.Ports("replicator", "allowed_ports")), RefusedPorts: ports(cfg.Ports("replicator", "refused_ports")),
		},
		Defaults: replicate.Defaults{
			CheckpointInterval: milliseconds("checkpoint_interval"), Silence: milliseconds("connection_timeout"),
			BatchSize: min(number("worker_batch_size"), 10_000), Workers: min(number("worker_processes"), 32),
			NoCheckpoints: !cfg.Bool("replicator", "use_checkpoints"),
			Retries:       number("retries_per_request"), Connections: number("http_connections"),
		},
	}
}

func ports(list []config.PortRange) (ports []replicate.Ports) {
	for _, p := range list {
		ports = append(ports, replicate.Ports(p))
	}
	return ports
}

// replicatorTLS says which certificates replications trust, and which one they show.
func replicatorTLS(cfg *config.Config) (*tls.Config, error) {
	trust := &tls.Config{InsecureSkipVerify: !cfg.Bool("replicator", "verify_ssl_certificates")}
	if certificate := cfg.String("replicator", "cert_file"); certificate != "" {
		pair, err := readPair(cfg, "replicator")
		if err != nil {
			return nil, err
		}
		trust.Certificates = []tls.Certificate{pair}
	}
	file := cfg.String("replicator", "ssl_trusted_certificates_file")
	if file == "" {
		return trust, nil
	}
	certificates, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("[replicator] ssl_trusted_certificates_file: %w", err)
	}
	if trust.RootCAs, err = x509.SystemCertPool(); err != nil {
		trust.RootCAs = x509.NewCertPool()
	}
	if !trust.RootCAs.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("[replicator] ssl_trusted_certificates_file: %s contains no certificate", file)
	}
	return trust, nil
}
