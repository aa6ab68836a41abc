// SPDX-License-Identifier: Apache-2.0
// Parses the endpoints of --etcd-endpoints and --consul-endpoints, for every store that has some.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/target.h"

namespace flannel {

struct StoreEndpoint {
  HttpTarget at;       // has no host and port if `socket` is set
  std::string socket;  // the path of a UNIX socket; empty for TCP

  bool operator==(const StoreEndpoint&) const = default;
};

// Parses one endpoint. http:// means plaintext and https:// means TLS, whether or not TLS files are
// given; a bare host:port and unix: use TLS if TLS files are given. The port is required, and a
// path is refused. A URL with a user or password is refused, and the error does not repeat it.
Result<StoreEndpoint> parse_endpoint(std::string_view url, bool have_tls_files);
// Splits a list at its commas. Blanks around an endpoint are dropped, and so is an empty one. Fails
// if none is left.
Result<std::vector<std::string>> split_endpoints(std::string_view list);
Result<std::vector<StoreEndpoint>> parse_endpoints(const std::vector<std::string>& urls,
                                                   bool have_tls_files);

// Returns the name that gRPC has for an endpoint: "ipv4:192.0.2.1:2379,192.0.2.2:2379" or
// "unix:/run/etcd". `addresses` are the addresses of the host, at least one unless the endpoint is
// a socket.
std::string grpc_target(const StoreEndpoint& endpoint, const std::vector<std::string>& addresses);

}  // namespace flannel
