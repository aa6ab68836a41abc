// SPDX-License-Identifier: Apache-2.0
// The events of the status page: docs/status-page.md.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "core/health_row.h"
#include "status/control_api.h"
#include "status/load_history.h"
#include "status/snapshot.h"

namespace flannel {

// All that the page shows of one moment, as a value that another thread can render.
struct LiveView {
  TimePoint now;
  std::shared_ptr<const StatusSnapshot> status;
  control::PeersView peers;  // sorted by subnet
  std::shared_ptr<const std::deque<LoadSample>> load;
  std::vector<std::string> devices;  // whose throughput `load` has
  // What other hosts say of each other; null without --publish-health.
  std::shared_ptr<const SeenRows> rows{};
  std::string network{};                // whose view it is; empty: it has no name
  std::vector<std::string> networks{};  // all that the page can show
};

// Renders views, and how each one differs from the one before.
class LiveEvents {
 public:
  // Takes the place of the view before.
  void take(LiveView view);

  // An event with all that the view has. Requires a view.
  std::string whole() const;
  // An event with what is not as in the view before; empty: all is.
  const std::string& change() const { return change_; }

 private:
  LiveView view_{};
  std::string change_;
};

}  // namespace flannel
