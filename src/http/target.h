// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// A server, named by a URL without a path.
struct HttpTarget {
  std::string url;  // for people: "https://etcd1:2379"
  bool tls = false;
  std::string host;  // a name or an address; IPv6 without brackets
  std::uint16_t port = 0;

  bool operator==(const HttpTarget&) const = default;
};

// Parses "http://host:port" or "https://host:port", with or without a final slash; "host:port"
// alone means TLS if `tls_by_default`. A URL with a user or password is refused, and the error does
// not repeat it.
Result<HttpTarget> parse_http_target(std::string_view url, bool tls_by_default);

// Encodes `text` as one segment of a path, or as a name or value of a form: all characters but
// letters, digits and "-._~" are percent-encoded.
std::string percent_encode(std::string_view text);

}  // namespace flannel
