// SPDX-License-Identifier: Apache-2.0
// --etcd-api=auto: the API of etcd under which the configuration is. v3 and v2 are two stores in
// one etcd that know nothing of each other.
#pragma once

#include <functional>
#include <memory>

#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

struct EtcdCandidates {
  std::unique_ptr<Registry> v3, v2;
  // Whether the servers are so old that they have no v3 API at all.
  std::function<void(Reply<bool>)> ask_only_v2;
};

// Looks under v3 first, and under v2 if there is no configuration or no answer soon; says in the
// log which it is and why, and stays with it. Until one has a configuration, it is v3 to the
// caller, and a watch looks at v2 from time to time: when the configuration appears there, the
// watch loses its position. That there is none is concluded from two answers only, and a failure
// names the reasons of both APIs.
std::unique_ptr<Registry> open_etcd_choice(EtcdCandidates candidates, Loop& loop);

}  // namespace flannel
