// SPDX-License-Identifier: Apache-2.0
// The state of our lease, for people. core/keeper_state.h has the states of the program.
#pragma once

#include <string_view>

namespace flannel {

enum class LeasePhase {
  idle,      // not started
  listing,   // all records are listed, or will be after a pause
  writing,   // our record is created, or a record of ours from the list is updated
  active,    // the lease is ours
  renewing,  // the lease is ours, and its record is updated, or will be after a pause
  draining,  // the host is drained, and its records are deleted, or will be after a pause
  drained,   // the host is drained, and the store has no lease of ours
};

std::string_view to_string(LeasePhase phase);

}  // namespace flannel
