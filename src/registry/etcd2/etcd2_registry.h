// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd2/keys_client.h"

namespace flannel {

// The network below `prefix` in an etcd that is spoken to by its v2 API: what flannel up to v0.17
// uses. Values are text: etcd v2 keeps no other bytes. `loop` outlives the registry.
std::unique_ptr<Registry> open_etcd2_registry(KeysAccess access, const std::string& prefix,
                                              Loop& loop);

// Whether the servers are from before etcd 3. `client` outlives the answer or ends it.
void ask_before_v3(KeysClient& client, Reply<bool> reply);

}  // namespace flannel
