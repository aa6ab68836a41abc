// SPDX-License-Identifier: Apache-2.0
#include "registry/options_at.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/printable.h"
#include "http/target.h"

namespace flannel {
namespace {

// A secret of this host, and who may get it.
struct Secret {
  const Password& password;
  std::string_view flag;                  // that gives it
  const std::vector<std::string>& known;  // the endpoints that get it already
  const std::string& ca_file;
  std::string_view ca_flag;
};

bool may_get(const std::string& endpoint, const Secret& secret) {
  // A UNIX socket may be anybody's, and has no certificate.
  if (endpoint.starts_with("unix:")) return std::ranges::count(secret.known, endpoint) > 0;
  const auto target = parse_http_target(endpoint, false);
  if (!target) return true;  // opening the store says what is wrong with it
  if (target->tls && !secret.ca_file.empty()) return true;
  return std::ranges::any_of(secret.known, [&](const std::string& known) {
    const auto ours = parse_http_target(known, false);
    return ours && ours->host == target->host && ours->tls == target->tls;
  });
}

Result<void> check(const StoreAddress& address, const Secret& secret) {
  if (secret.password.text.empty() && secret.password.file.empty()) return {};
  for (const std::string& endpoint : address.endpoints) {
    if (may_get(endpoint, secret)) continue;
    return fail(
        ErrorKind::denied,
        fmt::format("{} would get the secret of {}: it is none of our own endpoints, and no "
                    "{} proves its identity",
                    in_quotes(endpoint), secret.flag, secret.ca_flag));
  }
  return {};
}

}  // namespace

Result<StoreOptions> options_at(const StoreAddress& address, const StoreOptions& own) {
  StoreOptions options = own;
  options.prefix = address.prefix;
  options.sqlite_path = address.path;
  switch (address.kind) {
    case StoreAddress::Kind::etcd2:
    case StoreAddress::Kind::etcd3:
      TRY(check(address,
                {own.password, "--etcd-username", own.endpoints, own.ca_file, "--etcd-cafile"}));
      options.kind = StoreKind::etcd;
      options.endpoints = address.endpoints;
      options.etcd_api = address.kind == StoreAddress::Kind::etcd2 ? EtcdApi::v2 : EtcdApi::v3;
      return options;
    case StoreAddress::Kind::sqlite:
      options.kind = StoreKind::sqlite;
      return options;
    case StoreAddress::Kind::memory:
      options.kind = StoreKind::memory;
      return options;
    case StoreAddress::Kind::consul:
      TRY(check(address, {own.consul.token, "--consul-token-file", own.consul.endpoints,
                          own.consul.ca_file, "--consul-cafile"}));
      options.kind = StoreKind::consul;
      options.consul.endpoints = address.endpoints;
      return options;
  }
  return fail(ErrorKind::invalid, "open the store: no such kind");
}

}  // namespace flannel
