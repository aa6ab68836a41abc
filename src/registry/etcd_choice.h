// SPDX-License-Identifier: Apache-2.0
// Implements --etcd-api=auto: uses the API of etcd that has the configuration. In one etcd, v3 and
// v2 are two separate stores.
#pragma once

#include <functional>
#include <memory>

#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

struct EtcdCandidates {
  std::unique_ptr<Registry> v3, v2;
  // Asks whether the servers are so old that they have no v3 API.
  std::function<void(Reply<bool>)> ask_only_v2;
};

// Opens a registry that reads v3 first, and v2 if v3 has no configuration or does not answer soon.
// It logs which API it chooses and why, and keeps to it. Until an API has a configuration, callers
// get the answers of v3, and a watch also reads v2 periodically: when the configuration appears
// there, the watch loses its position. After expect_history("v2" or "v3") the other API is not read
// before the next list, and after use_expected_history() not at all. Only if both APIs answer is it
// concluded that there is no configuration; a failure names the reasons of both APIs.
std::unique_ptr<Registry> open_etcd_choice(EtcdCandidates candidates, Loop& loop);

}  // namespace flannel
