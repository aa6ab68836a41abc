// SPDX-License-Identifier: Apache-2.0
// The texts of --etcd-endpoints, and whether to speak TLS there; the same for both APIs of etcd.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/target.h"

namespace flannel {

struct EtcdEndpoint {
  HttpTarget at;       // without host and port for a socket
  std::string socket;  // the path of a UNIX socket; empty: it is reached by TCP

  bool operator==(const EtcdEndpoint&) const = default;
};

// http:// is plaintext and https:// is TLS, whatever files are given; a bare host:port and unix:
// use TLS if there are files to do it with. The port must be there; a path must not. Names and
// passwords in the URL are refused, and not repeated in the error.
Result<EtcdEndpoint> parse_endpoint(std::string_view url, bool have_tls_files);
Result<std::vector<EtcdEndpoint>> parse_endpoints(const std::vector<std::string>& urls,
                                                  bool have_tls_files);

// As gRPC names what it connects to: "ipv4:192.0.2.1:2379,192.0.2.2:2379", "unix:/run/etcd".
// `addresses` are those of the host, at least one unless it is a socket.
std::string grpc_target(const EtcdEndpoint& endpoint, const std::vector<std::string>& addresses);

}  // namespace flannel
