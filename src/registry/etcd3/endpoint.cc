// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/endpoint.h"

#include <cstdint>
#include <utility>

#include "base/file.h"
#include "base/parse.h"
#include "net/address.h"

namespace flannel {
namespace {

Failure bad(std::string_view url, std::string_view why) {
  return fail(ErrorKind::invalid,
              "etcd endpoint \"" + std::string(url) + "\": " + std::string(why));
}

// "host:port" or "[v6]:port" as gRPC names it; the scheme keeps literal addresses away from the
// resolver.
Result<std::string> grpc_target(std::string_view authority, std::string_view url) {
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']')) {
    return bad(url, "the port is missing");
  }
  const std::string_view host = authority.substr(0, colon);
  const auto port = parse_decimal<std::uint16_t>(authority.substr(colon + 1));
  if (!port || *port == 0) return bad(url, "the port is no number from 1 to 65535");
  if (host.empty()) return bad(url, "the host is missing");
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || !Ip6::parse(host.substr(1, host.size() - 2))) {
      return bad(url, "no IPv6 address between the brackets");
    }
    return "ipv6:" + std::string(authority);
  }
  if (host.find(':') != std::string_view::npos) return bad(url, "put the IPv6 address in brackets");
  return (Ip4::parse(host) ? "ipv4:" : "dns:///") + std::string(authority);
}

Result<EtcdEndpoint> unix_endpoint(std::string_view url, bool tls) {
  std::string_view path = url.substr(std::string_view("unix:").size());
  if (path.starts_with("//")) path.remove_prefix(2);
  if (path.empty()) return bad(url, "the socket's path is missing");
  return EtcdEndpoint{std::string(url), "unix:" + std::string(path), tls};
}

Result<std::string> read_pem(const std::string& path, const char* what) {
  if (path.empty()) return std::string();
  std::string text = TRY_DURING(read_file(path), std::string("read the etcd ") + what);
  if (text.find("-----BEGIN ") == std::string::npos) {
    return fail(ErrorKind::invalid,
                std::string("read the etcd ") + what + ": " + path + " is not a PEM file");
  }
  return text;
}

}  // namespace

Result<EtcdEndpoint> parse_endpoint(std::string_view url, bool have_tls_files) {
  if (url.empty()) return fail(ErrorKind::invalid, "etcd endpoint: an empty text");
  if (url.find('@') != std::string_view::npos) {
    return fail(ErrorKind::invalid,
                "etcd endpoint: a user in the URL; use --etcd-username and --etcd-password");
  }
  if (url.starts_with("unix:")) return unix_endpoint(url, have_tls_files);
  bool tls = have_tls_files;
  std::string_view authority = url;
  if (const auto scheme_end = url.find("://"); scheme_end != std::string_view::npos) {
    const std::string_view scheme = url.substr(0, scheme_end);
    if (!equal_ignoring_case(scheme, "http") && !equal_ignoring_case(scheme, "https")) {
      return bad(url, "neither http://, https:// nor unix:");
    }
    tls = equal_ignoring_case(scheme, "https");
    authority.remove_prefix(scheme_end + 3);
  }
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find_first_of("/?# \t") != std::string_view::npos) {
    return bad(url, "something follows the port");
  }
  std::string target = TRY(grpc_target(authority, url));
  return EtcdEndpoint{std::string(url), std::move(target), tls};
}

Result<std::vector<EtcdEndpoint>> parse_endpoints(const std::vector<std::string>& urls,
                                                  bool have_tls_files) {
  if (urls.empty()) return fail(ErrorKind::invalid, "etcd endpoints: none given");
  std::vector<EtcdEndpoint> endpoints;
  for (const std::string& url : urls) {
    endpoints.push_back(TRY(parse_endpoint(trim(url), have_tls_files)));
  }
  return endpoints;
}

Result<TlsMaterial> read_tls_files(const TlsFiles& files) {
  if (files.key.empty() != files.cert.empty()) {
    return fail(ErrorKind::invalid, files.key.empty()
                                        ? "etcd TLS: a certificate file without its key file"
                                        : "etcd TLS: a key file without its certificate file");
  }
  TlsMaterial material;
  material.key = TRY(read_pem(files.key, "client key"));
  material.cert = TRY(read_pem(files.cert, "client certificate"));
  material.ca = TRY(read_pem(files.ca, "CA certificate"));
  return material;
}

}  // namespace flannel
