// SPDX-License-Identifier: Apache-2.0
#include "http/target.h"

#include "base/parse.h"
#include "base/printable.h"
#include "net/address.h"

namespace flannel {
namespace {

Failure bad(std::string_view url, std::string_view why) {
  return fail(ErrorKind::invalid, "endpoint " + in_quotes(url) + ": " + std::string(why));
}

// Parses "etcd1", "192.0.2.1", or "[fd00::1]", of which the brackets are removed.
Result<std::string> parse_host(std::string_view host, std::string_view url) {
  if (host.starts_with('[')) {
    const bool closed = host.ends_with(']');
    const std::string_view inner = host.substr(1, host.size() - (closed ? 2 : 1));
    if (!closed || !IpAddress::parse_v6(inner)) {
      return bad(url, "no IPv6 address between the brackets");
    }
    return std::string(inner);
  }
  if (host.empty()) return bad(url, "the host is missing");
  if (host.find(':') != std::string_view::npos) return bad(url, "put the IPv6 address in brackets");
  return std::string(host);
}

// Describes `rest`, which begins with the first character that is invalid in a host or a port.
std::string what_follows(std::string_view rest) {
  if (rest[0] == '/' || rest[0] == '?' || rest[0] == '#') {
    return "something follows the port: " + in_quotes(rest) + "; give host and port alone";
  }
  return rest[0] == ';' ? "endpoints are separated by commas, not by \";\""
                        : "there is a blank in it; endpoints are separated by commas";
}

bool needs_no_encoding(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

Result<HttpTarget> parse_http_target(std::string_view url, bool tls_by_default) {
  if (url.find('@') != std::string_view::npos) {
    return fail(ErrorKind::invalid,
                "user and password do not belong into an endpoint; etcd's are given by "
                "--etcd-username and --etcd-password");
  }
  HttpTarget target{.url = std::string(url), .tls = tls_by_default, .host = {}, .port = 0};
  std::string_view authority = url;
  if (const auto scheme_end = url.find("://"); scheme_end != std::string_view::npos) {
    const std::string_view scheme = url.substr(0, scheme_end);
    target.tls = equal_ignoring_case(scheme, "https");
    if (!target.tls && !equal_ignoring_case(scheme, "http")) {
      return bad(url, "neither http:// nor https://");
    }
    authority.remove_prefix(scheme_end + 3);
  }
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (const auto odd = authority.find_first_of(";/?# \t\r\n"); odd != std::string_view::npos) {
    return bad(url, what_follows(authority.substr(odd)));
  }
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']')) {
    return bad(url, "the port is missing (etcd has 2379, Consul 8500)");
  }
  const auto port = parse_decimal<std::uint16_t>(authority.substr(colon + 1));
  if (!port || *port == 0) return bad(url, "the port is no number from 1 to 65535");
  target.port = *port;
  target.host = TRY(parse_host(authority.substr(0, colon), url));
  return target;
}

std::string percent_encode(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (needs_no_encoding(c)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

}  // namespace flannel
