// SPDX-License-Identifier: Apache-2.0
// Where the keeper of our lease stands, for people. The machine itself: core/keeper_state.h.
#pragma once

#include <string_view>

namespace flannel {

enum class LeasePhase {
  idle,      // not started, or left
  listing,   // the store is asked what there is, or will be after a pause
  writing,   // our record is created, or one of ours that was found is updated
  active,    // the lease is ours
  renewing,  // ours; its life is extended or its record changed, or will be after a pause
};

std::string_view to_string(LeasePhase phase);

}  // namespace flannel
