// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flannel {

// A server, as a URL without a path names it.
struct HttpTarget {
  std::string url;  // for people: "https://etcd1:2379"
  bool tls = false;
  std::string host;  // a name or an address; IPv6 without brackets
  std::uint16_t port = 0;

  bool operator==(const HttpTarget&) const = default;
};

// "http://host:port" or "https://host:port", a slash may follow; "host:port" alone is TLS if
// `tls_by_default`. Users and passwords in the URL are refused, and not repeated in the error.
Result<HttpTarget> parse_http_target(std::string_view url, bool tls_by_default);

// `text` as one segment of a path, or as a name or value of a form: all but letters, digits and
// "-._~" are encoded.
std::string percent_encode(std::string_view text);

}  // namespace flannel
