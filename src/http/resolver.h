// SPDX-License-Identifier: Apache-2.0
// Resolves names to addresses with the resolver of the system. A look-up there cannot be stopped,
// so each has a thread of its own, and the caller implements deadlines. Usable on any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace flannel {

class Resolver {
 public:
  using Addresses = std::vector<std::string>;  // "192.0.2.1", "2001:db8::1"; at least one
  using LookUp = std::function<Result<Addresses>(const std::string& name)>;
  using Done = std::function<void(const Result<Addresses>&)>;

  // An answer that took longer than kMoment is cached for kKept. A caller that asks again after its
  // deadline then finds it, and new connections do not wait again for a slow name server.
  static constexpr std::chrono::seconds kKept{60};
  static constexpr std::chrono::seconds kMoment{1};

  Resolver();                         // by getaddrinfo
  explicit Resolver(LookUp look_up);  // `look_up` may block; each call has its own thread

  // Calls `done` at once or later, on any thread, possibly after the resolver has been destroyed. A
  // literal address is returned unchanged. Errors say that the name cannot be resolved, and why.
  void look_up(const std::string& name, Done done);

  // Returns the error for a caller whose deadline has passed before the answer came.
  static Error too_slow(const std::string& name);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the threads that are still waiting
};

}  // namespace flannel
