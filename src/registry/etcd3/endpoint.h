// SPDX-License-Identifier: Apache-2.0
// The texts of --etcd-endpoints, and whether to speak TLS there.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace flannel {

// The paths of --etcd-keyfile, --etcd-certfile and --etcd-cafile; empty: not given.
struct TlsFiles {
  std::string key, cert, ca;
  bool any() const { return !key.empty() || !cert.empty() || !ca.empty(); }
};

struct EtcdEndpoint {
  std::string url;     // for people: "https://etcd1:2379"
  std::string target;  // for gRPC: "dns:///etcd1:2379", "ipv4:192.0.2.1:2379", "unix:/run/etcd"
  bool tls = false;

  bool operator==(const EtcdEndpoint&) const = default;
};

// http:// is plaintext and https:// is TLS, whatever files are given; a bare host:port and unix:
// use TLS if there are files to do it with. The port must be there; a path must not. Names and
// passwords in the URL are refused, and not repeated in the error.
Result<EtcdEndpoint> parse_endpoint(std::string_view url, bool have_tls_files);
Result<std::vector<EtcdEndpoint>> parse_endpoints(const std::vector<std::string>& urls,
                                                  bool have_tls_files);

// What the files hold; empty where no file was given.
struct TlsMaterial {
  std::string key, cert, ca;
};

// A certificate needs its key and the other way round; a CA may stand alone. Each must be PEM.
Result<TlsMaterial> read_tls_files(const TlsFiles& files);

}  // namespace flannel
