// SPDX-License-Identifier: Apache-2.0
#include "registry/consul_flags.h"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"
#include "registry/endpoint.h"
#include "registry/tls_files.h"

namespace flannel {
namespace {

constexpr const char* kLocalAgent = "http://127.0.0.1:8500";
constexpr std::string_view kTokenName = "Consul token";

std::string variable(const Flags::Environment& environment, const char* name) {
  const char* value = environment ? environment(name) : nullptr;
  return value ? std::string(trim(value)) : std::string();
}

// Returns the value of a flag, or else that of a variable of Consul's programs.
std::string value_of(const std::string& given, const Flags::Environment& environment,
                     const char* name) {
  return given.empty() ? variable(environment, name) : given;
}

// As strconv.ParseBool of Go, with which Consul reads its variables; nullopt: neither.
std::optional<bool> parse_bool(const std::string& text) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

Result<bool> switch_of(const Flags::Environment& environment, const char* name, bool otherwise) {
  const std::string text = variable(environment, name);
  if (text.empty()) return otherwise;
  const auto value = parse_bool(text);
  if (!value) {
    return fail(ErrorKind::invalid,
                std::string(name) + ": " + in_quotes(text) + " is neither true nor false");
  }
  return *value;
}

// CONSUL_HTTP_SSL makes https:// of an address without a scheme, and of http://.
std::string with_scheme(std::string url, bool tls) {
  constexpr std::string_view kPlain = "http://";
  if (tls && url.starts_with(kPlain)) return "https://" + url.substr(kPlain.size());
  return url.find(':') == std::string::npos || url.find("://") != std::string::npos
             ? url
             : (tls ? "https://" : "http://") + url;
}

struct Addresses {
  std::vector<std::string> urls;
  std::string label;  // where they come from, for messages
};

Result<Addresses> addresses_of(const ConsulFlags& texts, const Flags& flags,
                               const Flags::Environment& environment) {
  if (!texts.endpoints.empty()) {
    const std::string label = flags.label("consul-endpoints");
    return Addresses{TRY_DURING(split_endpoints(texts.endpoints), label), label};
  }
  const bool tls = TRY(switch_of(environment, "CONSUL_HTTP_SSL", false));
  const std::string address = variable(environment, "CONSUL_HTTP_ADDR");
  return Addresses{{with_scheme(address.empty() ? kLocalAgent : address, tls)}, "CONSUL_HTTP_ADDR"};
}

Result<Password> token_of(const ConsulFlags& texts, const Flags::Environment& environment) {
  const std::string what(kTokenName);
  // As for `consul`, a file counts before the token itself.
  const std::string file = value_of(texts.token_file, environment, "CONSUL_HTTP_TOKEN_FILE");
  if (!file.empty()) return Password::read(file, what);
  Password given{variable(environment, "CONSUL_HTTP_TOKEN"), {}, {}, what};
  const std::string folder = variable(environment, "CREDENTIALS_DIRECTORY");
  if (!given.text.empty() || folder.empty()) return given;
  auto token = Password::read(folder + "/consul-token", what);
  if (!token && token.error().kind == ErrorKind::not_found) return given;
  return token;
}

// Checks the endpoints and the TLS files, which needs no network.
Result<void> check(const ConsulOptions& options, const std::string& label,
                   std::vector<std::string>& warnings) {
  const TlsFiles files = options.tls_files();
  const auto endpoints = TRY_DURING(parse_endpoints(options.endpoints, files.any()), label);
  bool tls = false;
  for (const StoreEndpoint& endpoint : endpoints) {
    tls = tls || (endpoint.at.tls && endpoint.socket.empty());
  }
  if (tls) {
    const TlsMaterial material = TRY(read_tls_files(files));
    for (std::string& doubt : doubts_about(material, files, std::chrono::system_clock::now()))
      warnings.push_back(std::move(doubt));
  } else if (files.any()) {
    warnings.push_back("the TLS files are not used: no endpoint of " + label +
                       " begins with https://");
  }
  return {};
}

}  // namespace

void ConsulFlags::define(Flags& flags) {
  flags.add({.name = "consul-endpoints",
             .help = "comma-separated list of Consul agents; without it CONSUL_HTTP_ADDR, or else "
                     "the agent of this host"},
            endpoints);
  flags.add({.name = "consul-token-file", .help = "file that holds the token for Consul"},
            token_file);
  flags.add({.name = "consul-keyfile", .help = "key of the client certificate for Consul"},
            key_file);
  flags.add({.name = "consul-certfile", .help = "client certificate for Consul"}, cert_file);
  flags.add({.name = "consul-cafile",
             .help = "certificate authority that signed Consul's certificate, or a folder of some"},
            ca_file);
  flags.add({.name = "consul-datacenter",
             .help = "datacenter of Consul that has the keys; without it that of the agent"},
            datacenter);
  flags.add({.name = "consul-namespace", .help = "namespace of Consul Enterprise"}, name_space);
  flags.add({.name = "consul-node",
             .help = "node of Consul's catalog that the sessions of the leases belong to"},
            node);
}

const std::vector<std::string>& ConsulFlags::names() {
  static const std::vector<std::string> names{
      "consul-endpoints", "consul-token-file", "consul-keyfile",   "consul-certfile",
      "consul-cafile",    "consul-datacenter", "consul-namespace", "consul-node"};
  return names;
}

Result<ConsulOptions> parse_consul(const ConsulFlags& texts, const Flags& flags,
                                   const Flags::Environment& environment,
                                   std::vector<std::string>& warnings) {
  const Addresses addresses = TRY(addresses_of(texts, flags, environment));
  ConsulOptions options;
  options.endpoints = addresses.urls;
  options.key_file = value_of(texts.key_file, environment, "CONSUL_CLIENT_KEY");
  options.cert_file = value_of(texts.cert_file, environment, "CONSUL_CLIENT_CERT");
  options.ca_file = value_of(texts.ca_file, environment, "CONSUL_CACERT");
  if (options.ca_file.empty()) options.ca_file = variable(environment, "CONSUL_CAPATH");
  options.server_name = variable(environment, "CONSUL_TLS_SERVER_NAME");
  options.datacenter = texts.datacenter;
  options.name_space = value_of(texts.name_space, environment, "CONSUL_NAMESPACE");
  options.node = texts.node;
  if (!TRY(switch_of(environment, "CONSUL_HTTP_SSL_VERIFY", true))) {
    warnings.emplace_back(
        "CONSUL_HTTP_SSL_VERIFY=false has no effect: the certificate of Consul is always verified");
  }
  if (options.node.empty()) {
    warnings.emplace_back(
        "--consul-node is empty: the leases belong to the node of the agent that is asked, and are "
        "deleted when Consul takes that node out of its catalog");
  }
  options.token = TRY(token_of(texts, environment));
  TRY(check(options, addresses.label, warnings));
  return options;
}

}  // namespace flannel
