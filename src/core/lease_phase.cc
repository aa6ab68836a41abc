// SPDX-License-Identifier: Apache-2.0
#include "core/lease_phase.h"

namespace flannel {

std::string_view to_string(LeasePhase phase) {
  switch (phase) {
    case LeasePhase::idle:
      return "idle";
    case LeasePhase::listing:
      return "listing";
    case LeasePhase::writing:
      return "writing";
    case LeasePhase::active:
      return "active";
    case LeasePhase::renewing:
      return "renewing";
    case LeasePhase::draining:
      return "draining";
    case LeasePhase::drained:
      return "drained";
  }
  return "unknown";
}

}  // namespace flannel
