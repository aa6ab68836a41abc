// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd3/connection.h"

namespace flannel {

// Opens the network below `prefix` in an etcd cluster through the v3 protocol. The expiry handle of
// a record is the id of its etcd lease. `loop` must outlive the registry. Fails if the TLS files
// are unusable; etcd need not be reachable yet.
Result<std::unique_ptr<Registry>> open_etcd_registry(EtcdAccess access, const std::string& prefix,
                                                     Loop& loop);

}  // namespace flannel
