// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "core/registry.h"
#include "registry/etcd3/connection.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/store_keys.h"

namespace flannel {

struct EtcdSnapshot {
  Snapshot all;
  std::uint64_t cluster = 0;  // the id of the cluster that answered
};

// Reads the configuration and all records at one revision (a linearizable read). One call reads up
// to 2,000 records; further records are read in pages at the same revision, from the same cluster,
// perhaps from several of its members. If that revision is compacted meanwhile, or a page is of
// another cluster, the list begins again, up to three times.
void take_etcd_snapshot(EtcdConnection& connection, const StoreKeys& keys,
                        std::function<void(Result<EtcdSnapshot>)> done);

// The expiry handle is the decimal id of an etcd lease; 0: none.
ExpiryHandle expiry_handle_of(std::int64_t lease);
std::int64_t lease_of(const ExpiryHandle& handle);

// Converts a key below keys.subnets.
Record to_record(const StoreKeys& keys, const etcdserverpb::KeyValue& kv);

}  // namespace flannel
