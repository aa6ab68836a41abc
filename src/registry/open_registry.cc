// SPDX-License-Identifier: Apache-2.0
#include "registry/open_registry.h"

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

}  // namespace

Result<std::unique_ptr<Registry>> open_registry(const StoreOptions& options, Loop& loop) {
  switch (options.kind) {
    case StoreKind::memory:
      return open_memory_registry(MemoryStore::process_wide(), clean_path(options.prefix), loop);
    case StoreKind::etcd:
      return open_etcd(options, loop);
    case StoreKind::sqlite:
      break;
  }
  return fail(ErrorKind::unsupported, "open the store: this build has no such kind of store");
}

}  // namespace flannel
