// SPDX-License-Identifier: Apache-2.0
#include "registry/store_flags.h"

#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

Result<StoreKind> parse_kind(const std::string& store) {
  if (store == "etcd") return StoreKind::etcd;
  if (store == "memory") return StoreKind::memory;
  if (store.starts_with(kSqlite) && store.size() > kSqlite.size()) return StoreKind::sqlite;
  return fail(ErrorKind::invalid, quoted(store) + " is none of etcd, sqlite:PATH, memory");
}

Result<EtcdApi> parse_etcd_api(const std::string& api) {
  if (api == "auto") return EtcdApi::automatic;
  if (api == "2") return EtcdApi::v2;
  if (api == "3") return EtcdApi::v3;
  return fail(ErrorKind::invalid, quoted(api) + " is none of auto, 2, 3");
}

Result<void> check_endpoint(std::string_view endpoint) {
  if (endpoint.find('@') != std::string_view::npos) {  // not printed: it holds a password
    return fail(ErrorKind::invalid,
                "user and password do not belong into an endpoint but into "
                "--etcd-username and --etcd-password");
  }
  const auto scheme_end = endpoint.find("://");
  const std::string_view scheme = endpoint.substr(0, scheme_end);
  const bool known = scheme_end == std::string_view::npos || scheme == "http" || scheme == "https";
  const std::string_view rest =
      scheme_end == std::string_view::npos ? endpoint : endpoint.substr(scheme_end + 3);
  if (known && !rest.empty() && rest[0] != '/' && rest.find(' ') == std::string_view::npos) {
    return {};
  }
  return fail(ErrorKind::invalid,
              quoted(endpoint) + " is not of the form http://HOST:PORT or https://HOST:PORT");
}

Result<std::vector<std::string>> parse_endpoints(const std::string& list) {
  std::vector<std::string> endpoints;
  for (const std::string_view part : split(list, ',')) {
    const std::string_view endpoint = trim(part);
    if (endpoint.empty()) continue;
    TRY(check_endpoint(endpoint));
    endpoints.emplace_back(endpoint);
  }
  if (endpoints.empty()) return fail(ErrorKind::invalid, "names no endpoint");
  return endpoints;
}

Result<void> check_pairs(const StoreFlags& texts) {
  if (texts.key_file.empty() != texts.cert_file.empty()) {
    return fail(ErrorKind::invalid,
                "--etcd-certfile and --etcd-keyfile go together, only one is given");
  }
  if (texts.username.empty() && !texts.password.empty()) {
    return fail(ErrorKind::invalid, "--etcd-password is given without --etcd-username");
  }
  return {};
}

std::vector<std::string> warnings_about(const std::string& store, StoreKind kind,
                                        const Flags& flags) {
  std::vector<std::string> warnings;
  if (flags.source("etcd-password") == FlagSource::command_line) {
    warnings.emplace_back(
        "--etcd-password on the command line can be seen by every user of this host; "
        "the variable FLANNELD_ETCD_PASSWORD can not");
  }
  if (kind == StoreKind::etcd) return warnings;
  for (const std::string_view name : {"etcd-api", "etcd-endpoints", "etcd-keyfile", "etcd-certfile",
                                      "etcd-cafile", "etcd-username", "etcd-password"}) {
    if (!flags.given(name)) continue;
    warnings.push_back("--" + std::string(name) + " has no effect with --store=" + store);
  }
  return warnings;
}

}  // namespace

void StoreFlags::define(Flags& flags) {
  flags.add({.name = "store",
             .help = "where leases and the configuration are: etcd, sqlite:PATH (the daemons of "
                     "one machine) or memory (tests)"},
            store);
  flags.add(
      {.name = "etcd-api",
       .help = "API of etcd: 3, 2 (as flannel up to v0.17) or auto, where the configuration is"},
      etcd_api);
  flags.add({.name = "etcd-endpoints", .help = "comma-separated list of etcd endpoints"},
            endpoints);
  flags.add({.name = "etcd-prefix", .help = "prefix of all keys, in every kind of store"}, prefix);
  flags.add({.name = "etcd-keyfile", .help = "key of the client certificate for etcd"}, key_file);
  flags.add({.name = "etcd-certfile", .help = "client certificate for etcd"}, cert_file);
  flags.add({.name = "etcd-cafile", .help = "certificate authority that signed etcd's certificate"},
            ca_file);
  flags.add({.name = "etcd-username", .help = "user name for etcd"}, username);
  flags.add({.name = "etcd-password",
             .help = "password for etcd; better given as FLANNELD_ETCD_PASSWORD",
             .secret = true},
            password);
}

Result<ParsedStore> parse_store(const StoreFlags& texts, const Flags& flags) {
  ParsedStore parsed;
  StoreOptions& options = parsed.options;
  options.kind = TRY_DURING(parse_kind(texts.store), flags.label("store"));
  options.prefix = texts.prefix;
  if (options.kind == StoreKind::sqlite) options.sqlite_path = texts.store.substr(kSqlite.size());
  if (options.kind == StoreKind::etcd) {
    options.etcd_api = TRY_DURING(parse_etcd_api(texts.etcd_api), flags.label("etcd-api"));
    options.endpoints = TRY_DURING(parse_endpoints(texts.endpoints), flags.label("etcd-endpoints"));
    TRY(check_pairs(texts));
    options.key_file = texts.key_file;
    options.cert_file = texts.cert_file;
    options.ca_file = texts.ca_file;
    options.username = texts.username;
    options.password = texts.password;
  }
  parsed.warnings = warnings_about(texts.store, options.kind, flags);
  return parsed;
}

}  // namespace flannel
