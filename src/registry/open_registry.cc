// SPDX-License-Identifier: Apache-2.0
#include "registry/open_registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "registry/consul/consul_registry.h"
#include "registry/consul/consul_service.h"
#include "registry/endpoint.h"
#include "registry/etcd2/etcd2_registry.h"
#include "registry/etcd3/etcd_registry.h"
#include "registry/etcd_choice.h"
#include "registry/memory/memory_registry.h"
#include "registry/sqlite/sqlite_registry.h"
#include "registry/store_clock.h"
#include "registry/store_keys.h"
#include "registry/store_sessions.h"
#include "registry/tls_files.h"

namespace flannel {

namespace {

// What shares a session: the endpoints and what names the credentials. Stores of one process with
// the same names have the same secret.
std::string place_of(const std::vector<std::string>& endpoints, const TlsFiles& files,
                     const std::string& user, const Password& secret) {
  std::vector<std::string> parts = endpoints;
  for (const std::string& part : {files.key, files.cert, files.ca, user, secret.file})
    parts.push_back(part);
  return fmt::format("{}", fmt::join(parts, "\n"));
}

std::shared_ptr<EndpointSession> http_session(const StoreOptions& options, const std::string& place,
                                              EndpointAccess access) {
  if (options.sessions) return options.sessions->open_http(place, std::move(access));
  return std::make_shared<EndpointSession>(std::move(access));
}

// The parts that both APIs use.
struct EtcdParts {
  std::vector<StoreEndpoint> endpoints;
  TlsFiles tls_files;
  TlsMaterial material;
  std::shared_ptr<Resolver> resolver = std::make_shared<Resolver>();
};

Result<EtcdParts> etcd_parts(const StoreOptions& options) {
  EtcdParts parts;
  parts.tls_files = {options.key_file, options.cert_file, options.ca_file};
  parts.endpoints =
      TRY_DURING(parse_endpoints(options.endpoints, parts.tls_files.any()), "--etcd-endpoints");
  if (options.resolver) parts.resolver = options.resolver;
  const auto tls = [](const StoreEndpoint& endpoint) { return endpoint.at.tls; };
  if (std::ranges::any_of(parts.endpoints, tls)) {
    parts.material = TRY(read_tls_files(parts.tls_files));
  } else {
    parts.tls_files = {};
  }
  return parts;
}

std::string etcd_place(const StoreOptions& options) {
  const TlsFiles files{options.key_file, options.cert_file, options.ca_file};
  return "etcd\n" + place_of(options.endpoints, files, options.username, options.password);
}

Result<std::unique_ptr<Registry>> open_v3(const StoreOptions& options, const EtcdParts& parts,
                                          Loop& loop) {
  EtcdAccess access;
  access.tls_files = parts.tls_files;
  access.endpoints = parts.endpoints;
  access.username = options.username;
  access.password = options.password;
  access.resolver = parts.resolver;
  auto session = options.sessions
                     ? TRY(options.sessions->open_etcd(etcd_place(options), std::move(access)))
                     : TRY(EtcdSession::open(std::move(access), loop));
  return open_etcd_registry(std::move(session), options.prefix, loop);
}

Result<EndpointAccess> v2_access(const StoreOptions& options, const EtcdParts& parts) {
  EndpointAccess access{.endpoints = {},
                        .tls = TlsSource(parts.tls_files, parts.material),
                        .secret = options.password};
  for (const StoreEndpoint& endpoint : parts.endpoints) {
    if (!endpoint.socket.empty()) {
      return fail(ErrorKind::invalid,
                  "--etcd-endpoints: " + endpoint.at.url + ": API v2 reaches etcd by TCP only");
    }
    access.endpoints.push_back(
        {.target = endpoint.at, .username = options.username, .resolver = parts.resolver});
  }
  return access;
}

Result<std::shared_ptr<EndpointSession>> v2_session(const StoreOptions& options,
                                                    const EtcdParts& parts) {
  return http_session(options, etcd_place(options), TRY(v2_access(options, parts)));
}

Result<std::unique_ptr<Registry>> open_etcd(const StoreOptions& options, Loop& loop) {
  const EtcdParts parts = TRY(etcd_parts(options));
  if (options.etcd_api == EtcdApi::v2) {
    return open_etcd2_registry(TRY(v2_session(options, parts)), options.prefix, loop);
  }
  auto v3 = TRY(open_v3(options, parts, loop));
  if (options.etcd_api == EtcdApi::v3) return v3;
  const auto v2 = v2_session(options, parts);
  if (!v2) return v3;  // the endpoint is a socket, which only gRPC can reach
  auto asking = std::make_shared<KeysClient>(*v2, loop);
  return open_etcd_choice(
      {std::move(v3), open_etcd2_registry(*v2, options.prefix, loop),
       [asking](Reply<bool> reply) { ask_before_v3(*asking, std::move(reply)); }},
      loop);
}

Result<EndpointAccess> consul_endpoints(const StoreOptions& options) {
  const ConsulOptions& consul = options.consul;
  const TlsFiles files = consul.tls_files();
  const auto endpoints =
      TRY_DURING(parse_endpoints(consul.endpoints, files.any()), "--consul-endpoints");
  TlsMaterial material{.key = {}, .cert = {}, .ca = {}, .flags = files.flags};
  if (files.any()) material = TRY(read_tls_files(files));
  EndpointAccess access{
      .endpoints = {}, .tls = TlsSource(files, std::move(material)), .secret = consul.token};
  const auto resolver = options.resolver ? options.resolver : std::make_shared<Resolver>();
  for (const StoreEndpoint& endpoint : endpoints) {
    HttpAccess at{.target = endpoint.at,
                  .resolver = resolver,
                  .server_name = consul.server_name,
                  .socket = endpoint.socket};
    if (!at.socket.empty()) at.target.tls = false;  // Consul has no TLS there
    access.endpoints.push_back(std::move(at));
  }
  return access;
}

Result<ConsulAccess> consul_access(const StoreOptions& options) {
  const ConsulOptions& consul = options.consul;
  const std::string place =
      "consul\n" + place_of(consul.endpoints, consul.tls_files(), consul.server_name, consul.token);
  return ConsulAccess{.session = http_session(options, place, TRY(consul_endpoints(options))),
                      .datacenter = consul.datacenter,
                      .name_space = consul.name_space,
                      .node = consul.node};
}

}  // namespace

Result<std::unique_ptr<Registry>> open_registry(const StoreOptions& options, Loop& loop) {
  switch (options.kind) {
    case StoreKind::memory:
      return open_memory_registry(MemoryStore::process_wide(), clean_path(options.prefix), loop);
    case StoreKind::etcd:
      return open_etcd(options, loop);
    case StoreKind::consul:
      return open_consul_registry(TRY(consul_access(options)), options.prefix, loop);
    case StoreKind::sqlite:
      return open_sqlite_registry(options.sqlite_path, clean_path(options.prefix), loop);
  }
  return fail(ErrorKind::invalid, "open the store: no such kind");
}

Result<std::unique_ptr<ConsulService>> open_consul_service(const StoreOptions& options,
                                                           ConsulServiceEntry entry, Loop& loop) {
  return std::make_unique<ConsulService>(TRY(consul_access(options)), std::move(entry), loop);
}

Result<std::unique_ptr<StoreClock>> open_store_clock(const StoreOptions& options, Loop& loop) {
  if (options.kind == StoreKind::etcd) {
    const EtcdParts parts = TRY(etcd_parts(options));
    return std::make_unique<StoreClock>(TRY(v2_access(options, parts)), "/version", loop);
  }
  if (options.kind == StoreKind::consul) {
    return std::make_unique<StoreClock>(TRY(consul_endpoints(options)), "/v1/status/leader", loop);
  }
  return fail(ErrorKind::unsupported, "the store has no server with a clock");
}

}  // namespace flannel
