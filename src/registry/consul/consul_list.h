// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/store_feed.h"
#include "registry/consul/consul_client.h"
#include "registry/store_keys.h"

namespace flannel {

// Reads the prefix as the leader has it, and proves that absent keys are absent: Consul leaves keys
// that a token may not read out of a list without a notice, but refuses to read one by itself.
// `before` is what was known; the records that are in it and not in the list are read one by one.
// ErrorKind::denied: the token may not read one of them. The reply is dropped with `client`.
void take_consul_list(ConsulClient& client, const StoreKeys& keys,
                      const std::optional<Snapshot>& before, Reply<Snapshot> reply);

}  // namespace flannel
