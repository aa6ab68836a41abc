// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd3/connection.h"

namespace flannel {

// A network below `prefix` in an etcd cluster, over the v3 protocol. `hold` is the id of the etcd
// lease that a record is attached to. `loop` outlives it. Fails if the TLS files cannot be read;
// etcd need not be there yet.
Result<std::unique_ptr<Registry>> open_etcd_registry(EtcdAccess access, const std::string& prefix,
                                                     Loop& loop);

}  // namespace flannel
