// SPDX-License-Identifier: Apache-2.0
#include "registry/open_registry.h"

#include "http/target.h"
#include "registry/etcd2/etcd2_registry.h"
#include "registry/etcd3/endpoint.h"
#include "registry/etcd3/etcd_registry.h"
#include "registry/memory/memory_registry.h"
#include "registry/store_keys.h"

namespace flannel {

namespace {

Result<std::unique_ptr<Registry>> open_etcd(const StoreOptions& options, Loop& loop) {
  EtcdAccess access;
  access.tls_files = {options.key_file, options.cert_file, options.ca_file};
  access.endpoints = TRY(parse_endpoints(options.endpoints, access.tls_files.any()));
  access.username = options.username;
  access.password = options.password;
  return open_etcd_registry(std::move(access), options.prefix, loop);
}

Result<std::unique_ptr<Registry>> open_etcd2(const StoreOptions& options, Loop& loop) {
  const TlsFiles tls_files{options.key_file, options.cert_file, options.ca_file};
  TRY(read_tls_files(tls_files));  // what is wrong with them is said now
  std::vector<HttpAccess> endpoints;
  for (const std::string& url : options.endpoints) {
    HttpTarget target = TRY_DURING(parse_http_target(url, tls_files.any()), "etcd");
    endpoints.push_back({std::move(target), tls_files.ca, tls_files.cert, tls_files.key,
                         options.username, options.password});
  }
  if (endpoints.empty()) return fail(ErrorKind::invalid, "etcd endpoints: none given");
  return open_etcd2_registry(std::move(endpoints), options.prefix, loop);
}

}  // namespace

Result<std::unique_ptr<Registry>> open_registry(const StoreOptions& options, Loop& loop) {
  switch (options.kind) {
    case StoreKind::memory:
      return open_memory_registry(MemoryStore::process_wide(), clean_path(options.prefix), loop);
    case StoreKind::etcd:
      return options.etcd_api == EtcdApi::v2 ? open_etcd2(options, loop) : open_etcd(options, loop);
    case StoreKind::sqlite:
      break;
  }
  return fail(ErrorKind::unsupported, "open the store: this build has no such kind of store");
}

}  // namespace flannel
