// SPDX-License-Identifier: Apache-2.0
// Parses the endpoints of --etcd-endpoints, for both APIs of etcd.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/target.h"

namespace flannel {

struct EtcdEndpoint {
  HttpTarget at;       // has no host and port if `socket` is set
  std::string socket;  // the path of a UNIX socket; empty for TCP

  bool operator==(const EtcdEndpoint&) const = default;
};

// Parses one endpoint. http:// means plaintext and https:// means TLS, whether or not TLS files are
// given; a bare host:port and unix: use TLS if TLS files are given. The port is required, and a
// path is refused. A URL with a user or password is refused, and the error does not repeat it.
Result<EtcdEndpoint> parse_endpoint(std::string_view url, bool have_tls_files);
Result<std::vector<EtcdEndpoint>> parse_endpoints(const std::vector<std::string>& urls,
                                                  bool have_tls_files);

// Returns the name that gRPC has for an endpoint: "ipv4:192.0.2.1:2379,192.0.2.2:2379" or
// "unix:/run/etcd". `addresses` are the addresses of the host, at least one unless the endpoint is
// a socket.
std::string grpc_target(const EtcdEndpoint& endpoint, const std::vector<std::string>& addresses);

}  // namespace flannel
