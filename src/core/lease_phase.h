// SPDX-License-Identifier: Apache-2.0
// Where the keeper of our lease stands, and what moves it.
//
//            started              chosen                confirmed
//   idle ────────────▶ listing ──────────▶ writing ─────────────────▶ active
//                        ▲  ▲                 │                       │  ▲
//                        │  └────doubted──────┘                   due │  │ confirmed
//                        │                                            ▼  │
//                        └───────────────doubted── active, renewing ◀─────
//   left: from anywhere to idle.
#pragma once

#include <string_view>

namespace flannel {

enum class LeasePhase {
  idle,      // not started, or released
  listing,   // asking the store what there is, or pausing before
  writing,   // creating our record or taking up one we found
  active,    // ours; waiting until it is time to renew
  renewing,  // ours; extending its life or changing what it says, or pausing before
};

enum class LeaseEvent {
  started,
  chosen,     // the list tells which record to write
  confirmed,  // the store says that the record is ours and as we want it
  due,        // time to renew, or to change what is announced
  doubted,    // refused, changed by somebody, or outcome unknown: only a list can tell
  left,       // released for good
};

constexpr LeasePhase step(LeasePhase phase, LeaseEvent event) {
  const bool ours = phase == LeasePhase::active || phase == LeasePhase::renewing;
  switch (event) {
    case LeaseEvent::started:
      return phase == LeasePhase::idle ? LeasePhase::listing : phase;
    case LeaseEvent::chosen:
      return phase == LeasePhase::listing ? LeasePhase::writing : phase;
    case LeaseEvent::confirmed:
      return ours || phase == LeasePhase::writing ? LeasePhase::active : phase;
    case LeaseEvent::due:
      return ours ? LeasePhase::renewing : phase;
    case LeaseEvent::doubted:
      return ours || phase == LeasePhase::writing ? LeasePhase::listing : phase;
    case LeaseEvent::left:
      return LeasePhase::idle;
  }
  return phase;
}

std::string_view to_string(LeasePhase phase);

}  // namespace flannel
