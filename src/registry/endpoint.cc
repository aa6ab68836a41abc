// SPDX-License-Identifier: Apache-2.0
#include "registry/endpoint.h"

#include <algorithm>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"
#include "net/address.h"

namespace flannel {
namespace {

Result<StoreEndpoint> unix_endpoint(std::string_view url, bool tls) {
  std::string_view path = url.substr(std::string_view("unix:").size());
  if (path.starts_with("//")) path.remove_prefix(2);
  if (path.empty()) {
    return fail(ErrorKind::invalid,
                "endpoint " + in_quotes(url) + ": the socket's path is missing");
  }
  return StoreEndpoint{.at = {.url = std::string(url), .tls = tls, .host = {}, .port = 0},
                       .socket = std::string(path)};
}

}  // namespace

Result<StoreEndpoint> parse_endpoint(std::string_view url, bool have_tls_files) {
  if (url.empty()) return fail(ErrorKind::invalid, "endpoint: an empty text");
  if (url.starts_with("unix:")) return unix_endpoint(url, have_tls_files);
  return StoreEndpoint{.at = TRY(parse_http_target(url, have_tls_files)), .socket = {}};
}

Result<std::vector<std::string>> split_endpoints(std::string_view list) {
  std::vector<std::string> endpoints;
  for (const std::string_view part : split(list, ',')) {
    const std::string_view endpoint = trim(part);
    if (!endpoint.empty()) endpoints.emplace_back(endpoint);
  }
  if (endpoints.empty()) return fail(ErrorKind::invalid, "names no endpoint");
  return endpoints;
}

Result<std::vector<StoreEndpoint>> parse_endpoints(const std::vector<std::string>& urls,
                                                   bool have_tls_files) {
  if (urls.empty()) return fail(ErrorKind::invalid, "none given");
  std::vector<StoreEndpoint> endpoints;
  for (const std::string& url : urls) {
    endpoints.push_back(TRY(parse_endpoint(trim(url), have_tls_files)));
  }
  return endpoints;
}

std::string grpc_target(const StoreEndpoint& endpoint, const std::vector<std::string>& addresses) {
  if (!endpoint.socket.empty()) return "unix:" + endpoint.socket;
  // A target has one address family, so beside IPv6 an IPv4 address is used in its mapped form.
  const auto is_v4 = [](const std::string& address) {
    return IpAddress::parse_v4(address).has_value();
  };
  const bool all_v4 = std::ranges::all_of(addresses, is_v4);
  std::string target;
  for (const std::string& address : addresses) {
    const std::string host = all_v4           ? address
                             : is_v4(address) ? "[::ffff:" + address + "]"
                                              : "[" + address + "]";
    target += (target.empty() ? "" : ",") + host + ":" + std::to_string(endpoint.at.port);
  }
  return (all_v4 ? "ipv4:" : "ipv6:") + target;
}

}  // namespace flannel
