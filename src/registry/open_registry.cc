// SPDX-License-Identifier: Apache-2.0
#include "registry/open_registry.h"

#include "http/target.h"
#include "registry/etcd2/etcd2_registry.h"
#include "registry/etcd3/endpoint.h"
#include "registry/etcd3/etcd_registry.h"
#include "registry/etcd_choice.h"
#include "registry/memory/memory_registry.h"
#include "registry/sqlite/sqlite_registry.h"
#include "registry/store_keys.h"

namespace flannel {

namespace {

Result<std::unique_ptr<Registry>> open_v3(const StoreOptions& options, Loop& loop) {
  EtcdAccess access;
  access.tls_files = {options.key_file, options.cert_file, options.ca_file};
  access.endpoints = TRY(parse_endpoints(options.endpoints, access.tls_files.any()));
  access.username = options.username;
  access.password = options.password;
  return open_etcd_registry(std::move(access), options.prefix, loop);
}

Result<std::vector<HttpAccess>> v2_endpoints(const StoreOptions& options) {
  const TlsFiles tls_files{options.key_file, options.cert_file, options.ca_file};
  bool tls = false;
  std::vector<HttpAccess> endpoints;
  for (const std::string& url : options.endpoints) {
    HttpTarget target = TRY_DURING(parse_http_target(url, tls_files.any()), "etcd");
    tls = tls || target.tls;
    endpoints.push_back(
        {std::move(target), tls_files.ca, tls_files.cert, tls_files.key, options.username, {}});
  }
  if (endpoints.empty()) return fail(ErrorKind::invalid, "etcd endpoints: none given");
  if (tls) TRY(read_tls_files(tls_files));  // what is wrong with them is said now
  return endpoints;
}

Result<std::unique_ptr<Registry>> open_v2(const StoreOptions& options, Loop& loop) {
  return open_etcd2_registry(TRY(v2_endpoints(options)), options.password, options.prefix, loop);
}

Result<std::unique_ptr<Registry>> open_etcd(const StoreOptions& options, Loop& loop) {
  if (options.etcd_api == EtcdApi::v2) return open_v2(options, loop);
  auto v3 = TRY(open_v3(options, loop));
  if (options.etcd_api == EtcdApi::v3) return v3;
  auto v2 = open_v2(options, loop);
  if (!v2) return v3;  // an endpoint that only gRPC can reach, a socket
  auto asking = std::make_shared<KeysClient>(TRY(v2_endpoints(options)), options.password, loop);
  return open_etcd_choice(
      {std::move(v3), *std::move(v2),
       [asking](Reply<bool> reply) { ask_before_v3(*asking, std::move(reply)); }},
      loop);
}

}  // namespace

Result<std::unique_ptr<Registry>> open_registry(const StoreOptions& options, Loop& loop) {
  switch (options.kind) {
    case StoreKind::memory:
      return open_memory_registry(MemoryStore::process_wide(), clean_path(options.prefix), loop);
    case StoreKind::etcd:
      return open_etcd(options, loop);
    case StoreKind::sqlite:
      return open_sqlite_registry(options.sqlite_path, clean_path(options.prefix), loop);
  }
  return fail(ErrorKind::invalid, "open the store: no such kind");
}

}  // namespace flannel
