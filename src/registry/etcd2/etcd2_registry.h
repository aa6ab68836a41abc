// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "core/registry.h"
#include "loop/loop.h"
#include "registry/etcd2/keys_client.h"

namespace flannel {

// Opens the network below `prefix` in an etcd through its v2 API, which flannel up to v0.17 uses.
// The values must be text, since etcd v2 stores no other bytes. `loop` must outlive the registry.
std::unique_ptr<Registry> open_etcd2_registry(std::shared_ptr<EndpointSession> session,
                                              const std::string& prefix, Loop& loop);

// Asks whether the servers are older than etcd 3. Destroying `client` before the answer has come
// cancels the question.
void ask_before_v3(KeysClient& client, Reply<bool> reply);

}  // namespace flannel
