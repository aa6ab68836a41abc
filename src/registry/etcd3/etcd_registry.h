// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd3/session.h"

namespace flannel {

// Opens the network below `prefix` in an etcd cluster through the v3 protocol. The expiry handle of
// a record is the id of its etcd lease. `loop` must outlive the registry. etcd need not be
// reachable yet.
std::unique_ptr<Registry> open_etcd_registry(std::shared_ptr<EtcdSession> session,
                                             const std::string& prefix, Loop& loop);

}  // namespace flannel
