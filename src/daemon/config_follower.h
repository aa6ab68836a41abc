// SPDX-License-Identifier: Apache-2.0
// Follows the record of a network's configuration: waits for the first valid one, and then has each
// valid one adopted. What is invalid, or cannot be adopted, leaves the running one in force.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/problem.h"
#include "base/result.h"
#include "core/network_config.h"
#include "core/registry.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Loop thread only.
class ConfigFollower {
 public:
  struct Parts {
    Loop& loop;  // must outlive the follower
    // Uses this configuration, which may be the running one, from now on. A failure changes
    // nothing; a later attempt follows.
    std::function<Result<void>(const ParsedConfig&)> adopt;
    std::function<void()> on_state;  // problem() has changed
  };

  explicit ConfigFollower(Parts parts) : parts_(std::move(parts)) {}

  // Returns the configuration to begin with; nullopt: there is no valid one yet, and problem() says
  // why. `key`: of the record in the store.
  std::optional<ParsedConfig> first(const std::optional<ConfigRecord>& record,
                                    const std::string& key);
  // To be called with each record once there is a running configuration. nullopt: it is gone.
  void follow(const std::optional<ConfigRecord>& record);

  // The record that was used last; nullopt: none yet.
  const std::optional<ConfigRecord>& in_force() const { return in_force_; }
  // Returns why what is in the store is not used; nullopt: it is.
  const std::optional<Problem>& problem() const { return problem_; }

 private:
  void set_problem(std::optional<Problem> problem);

  Parts parts_;
  std::optional<ConfigRecord> record_;  // that the store reported last
  std::optional<ConfigRecord> in_force_;
  Timer retry_{parts_.loop, [this] { follow(record_); }};
  std::optional<Problem> problem_;
};

}  // namespace flannel
