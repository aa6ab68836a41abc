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
  std::uint64_t cluster = 0;  // the id of the cluster that gave it
};

// The configuration and every record at one revision, with what this cluster had committed by
// then (a linearizable read). One call for up to 10,000 records; more come in further pages of the
// same revision.
void take_etcd_snapshot(EtcdConnection& connection, const StoreKeys& keys,
                        std::function<void(Result<EtcdSnapshot>)> done);

// `kv` lies below keys.subnets.
Record to_record(const StoreKeys& keys, const etcdserverpb::KeyValue& kv);

}  // namespace flannel
