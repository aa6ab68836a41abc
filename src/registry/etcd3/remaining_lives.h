// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/store_feed.h"
#include "registry/etcd3/connection.h"

namespace flannel {

// Asks for the etcd leases of `records`, of which at least one has one: one call for each lease, of
// which some are under way at the same time. An etcd before 3.1 does not know.
void ask_remaining_lives(EtcdConnection& connection, const std::vector<Record>& records,
                         Reply<RemainingLives> reply);

}  // namespace flannel
